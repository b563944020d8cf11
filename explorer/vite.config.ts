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

export default defineConfig({
  base: './', // the server may stand below any path
  plugins: [vue(), precompress()],
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
