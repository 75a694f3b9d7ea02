/** The documentation: the OpenAPI document, Swagger UI over it, and a page about every fault. Nothing comes from a CDN. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Context, Hono } from 'hono';
import { PACKAGE_ROOT } from '../../platform/paths';
import type { ApiEnv } from '../env';

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bursar API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#page',
  validatorUrl: null,
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
});
`;

/** Swagger UI sets styles on elements; everything else comes from here or not at all. */
const POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

export function docsRoutes(document: () => string) {
  const page = (c: Context, html: string) => c.html(html, 200, { 'Content-Security-Policy': POLICY });
  return new Hono<ApiEnv>()
    .get('/openapi.json', (c) => c.body(document(), 200, { 'Content-Type': 'application/json' }))
    .get('/docs', (c) => page(c, PAGE))
    .get('/docs/faults', (c) => page(c, faultsPage()))
    .get('/docs/start.js', (c) => c.body(START, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }))
    .get('/docs/swagger-ui.css', (c) => sendFile(c, 'swagger-ui.css', 'text/css; charset=utf-8'))
    .get('/docs/swagger-ui-bundle.js', (c) => sendFile(c, 'swagger-ui-bundle.js', 'text/javascript; charset=utf-8'));
}

/** Packed once: 1.9 MB are 0.5 MB on the way. */
const packed = new Map<string, { plain: Uint8Array<ArrayBuffer>; gzip: Uint8Array<ArrayBuffer> }>();

function sendFile(c: Context, name: string, type: string) {
  let file = packed.get(name);
  if (!file) {
    const plain = new Uint8Array(readFileSync(require.resolve(`swagger-ui-dist/${name}`)));
    file = { plain, gzip: new Uint8Array(gzipSync(plain)) };
    packed.set(name, file);
  }
  const takesGzip = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '');
  const headers = { 'Content-Type': type, 'Cache-Control': 'public, max-age=86400', Vary: 'Accept-Encoding' };
  return takesGzip
    ? c.body(file.gzip, 200, { ...headers, 'Content-Encoding': 'gzip' })
    : c.body(file.plain, 200, headers);
}

const FAULTS_FILE = join(PACKAGE_ROOT, 'docs', 'faults.md');

/** docs/faults.md, which has headings and paragraphs only, as a page with an anchor for every fault. */
function faultsPage(): string {
  const text = existsSync(FAULTS_FILE) ? readFileSync(FAULTS_FILE, 'utf8') : '# Faults\n\nThe page is not installed.';
  const blocks = text.split(/\n{2,}/).map((block) => {
    const [, level, heading] = /^(#{1,2}) (.+)$/.exec(block.trim()) ?? [];
    if (heading === undefined) return `<p>${inline(block)}</p>`;
    return level === '#' ? `<h1>${inline(heading)}</h1>` : `<h2 id="${escape(heading)}">${inline(heading)}</h2>`;
  });
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Faults - Bursar</title><style>body{font:16px/1.5 sans-serif;max-width:45em;margin:2em auto;padding:0 1em}h2{font-family:monospace}:target{background:#ffc}</style></head><body>\n${blocks.join('\n')}\n</body></html>\n`;
}

const escape = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const inline = (text: string) => escape(text).replace(/`([^`]+)`/g, '<code>$1</code>');
