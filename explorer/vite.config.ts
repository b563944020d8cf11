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

const BY_ATTRIBUTE = "textElement.setAttribute('style', combinedStyle)"
const BY_PROPERTY = 'textElement.style.cssText = combinedStyle'

/** Cornerstone styles its texts by an attribute, which the content security policy forbids; the property may be set. */
function styleByProperty(): Plugin {
  let isFound = false
  return {
    name: 'style-by-property',
    apply: 'build',
    transform(code, id) {
      if (!id.includes('drawTextBox') || !code.includes(BY_ATTRIBUTE)) return null
      isFound = true
      return { code: code.replace(BY_ATTRIBUTE, BY_PROPERTY), map: null }
    },
    buildEnd(error) {
      if (!error && !isFound) this.error(`@cornerstonejs/tools no longer has ${BY_ATTRIBUTE}: is this still needed?`)
    },
  }
}

export default defineConfig({
  base: './', // the server may stand below any path
  plugins: [vue(), styleByProperty(), precompress()],
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  define: { __VUE_OPTIONS_API__: false, __INTLIFY_PROD_DEVTOOLS__: false, __VUE_I18N_LEGACY_API__: false },
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    target: 'es2022',
    license: { fileName: 'third-party-notices.md' },
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the content security policy allows no data: URIs of scripts and fonts
  },
  server: { proxy: { '^/(?!src|@|node_modules|index.html)': 'http://127.0.0.1:8042' } },
})
