import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

import vue from '@vitejs/plugin-vue'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const OUTPUT = '../orthanclite/explorer/static'
const COMPRESSIBLE = /\.(?:css|html|js|json|svg|wasm)$/
const SMALLEST = 1024 // bytes; compressing less gains nothing

/** Writes each file a second and a third time, compressed, so that the server never compresses them. */
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    closeBundle() {
      for (const entry of readdirSync(OUTPUT, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name)
        if (!entry.isFile() || !COMPRESSIBLE.test(entry.name)) continue
        const content = readFileSync(path)
        if (content.length < SMALLEST) continue
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }))
        const quality = content.length < 2 ** 20 ? 11 : 9
        const params = { [constants.BROTLI_PARAM_QUALITY]: quality }
        writeFileSync(`${path}.br`, brotliCompressSync(content, { params }))
      }
    },
  }
}

/** Changes of Cornerstone's code. */
const MENDED = [
  // Texts are styled by an attribute, which the content security policy forbids; the property may be set.
  {
    in: 'drawTextBox',
    from: "textElement.setAttribute('style', combinedStyle)",
    to: 'textElement.style.cssText = combinedStyle',
  },
  // All of dcmjs came with its default export, though a part of it is used.
  { in: '@cornerstonejs/metadata', from: "import dcmjs from 'dcmjs'", to: "import * as dcmjs from 'dcmjs'" },
  // Readers of meshes, which the viewer does not show, brought libraries of XML and YAML.
  {
    in: 'core/dist/esm/cache/classes/Mesh.js',
    from: "import vtkXMLPolyDataReader from '@kitware/vtk.js/IO/XML/XMLPolyDataReader.js'",
    to: 'const vtkXMLPolyDataReader = { newInstance() { throw new Error("Meshes of XML are left out") } }',
  },
]

function mendCornerstone(): Plugin {
  const waiting = new Set(MENDED)
  return {
    name: 'mend-cornerstone',
    apply: 'build',
    transform(code, id) {
      const found = MENDED.filter((one) => id.includes(one.in) && code.includes(one.from))
      for (const one of found) waiting.delete(one)
      return found.length > 0 ? { code: found.reduce((so, { from, to }) => so.replace(from, to), code), map: null } : null
    },
    buildEnd(error) {
      const [gone] = waiting
      if (!error && gone) this.error(`Cornerstone no longer has ${gone.from}: is this still needed?`)
    },
  }
}

/** What runs in workers only, though the library of the page names it among its exports. */
const OF_WORKERS = /dicom-image-loader\/dist\/esm\/decodeImageFrameWorker|@cornerstonejs\/codec-|jpeg-lossless-decoder-js/

export default defineConfig({
  base: './', // the server may stand below any path
  plugins: [vue(), mendCornerstone(), precompress()],
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  define: { __VUE_OPTIONS_API__: false, __INTLIFY_PROD_DEVTOOLS__: false, __VUE_I18N_LEGACY_API__: false },
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    target: 'es2022',
    license: { fileName: 'third-party-notices.md' },
    modulePreload: { polyfill: false },
    rolldownOptions: { treeshake: { moduleSideEffects: [{ test: OF_WORKERS, sideEffects: false }] } },
    assetsInlineLimit: 0, // the content security policy allows no data: URIs of scripts and fonts
  },
  server: { proxy: { '^/(?!src|@|node_modules|index.html)': 'http://127.0.0.1:8042' } },
})
