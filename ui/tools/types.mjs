#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Makes src/api/types.ts of the OpenAPI document that the server prints:
//     safeguard-server --generate openapi | tools/types.mjs [--check]
// With --check nothing is written; status 1 when the file is not what the document gives.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const target = fileURLToPath(new URL('../src/api/types.ts', import.meta.url));

function name(ref) {
  return ref.slice(ref.lastIndexOf('/') + 1);
}

function typeOf(s) {
  if (s.$ref) return name(s.$ref);
  if (s.anyOf) return s.anyOf.map(typeOf).join(' | ');
  if (s.enum) return s.enum.map((v) => (v === null ? 'null' : `'${v}'`)).join(' | ');
  const kinds = Array.isArray(s.type) ? s.type : [s.type];
  return kinds.map((k) => kindOf(k, s)).join(' | ');
}

function kindOf(kind, s) {
  switch (kind) {
    case 'string':
    case 'boolean':
    case 'null':
      return kind;
    case 'integer':
    case 'number':
      return 'number';
    case 'array': {
      const item = typeOf(s.items);
      return item.includes(' ') ? `(${item})[]` : `${item}[]`;
    }
    case 'object':
      if (s.additionalProperties) return `Record<string, ${typeOf(s.additionalProperties)}>`;
      return 'Record<string, unknown>';
    case undefined:
      return 'unknown';
    default:
      throw new Error(`a type that this script does not know: ${kind}`);
  }
}

function comment(text, indent) {
  return text ? `${indent}/** ${text.replace(/\*\//g, '* /')} */\n` : '';
}

function schema(id, s) {
  if (!s.properties) return `${comment(s.description, '')}export type ${id} = ${typeOf(s)};\n`;
  const required = new Set(s.required ?? []);
  const fields = Object.entries(s.properties).map(
    ([field, f]) => `${comment(f.description, '  ')}  ${field}${required.has(field) ? '' : '?'}: ${typeOf(f)};\n`,
  );
  return `${comment(s.description, '')}export interface ${id} {\n${fields.join('')}}\n`;
}

/** Which parameters a list takes, and whether several values stand between commas. */
function parameters(doc) {
  const out = [];
  for (const methods of Object.values(doc.paths))
    for (const op of Object.values(methods)) {
      const query = (op.parameters ?? []).filter((p) => p.in === 'query');
      if (!op.operationId.startsWith('events') && op.operationId !== 'host_processes') continue;
      const rows = query.map((p) => `  ${p.name}: '${p.schema.type === 'array' ? 'list' : 'one'}',\n`);
      out.push(`export const ${op.operationId}_params: Record<string, 'one' | 'list'> = {\n${rows.join('')}};\n`);
    }
  return out;
}

const doc = JSON.parse(readFileSync(0, 'utf8'));
const text = [
  '// SPDX-License-Identifier: Apache-2.0\n//\n' +
    '// Made by tools/types.mjs of what safeguard-server --generate openapi prints: not to be edited.\n' +
    '// Times are ms since 1970.\n',
  ...Object.entries(doc.components.schemas).map(([id, s]) => schema(id, s)),
  ...parameters(doc),
].join('\n');

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('src/api/types.ts is not of this API: run `make ui-types`');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
