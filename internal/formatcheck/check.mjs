// Runs the second implementation over the known answers of crypto/envelope.
//
//   node check.mjs check [vectors.json]   opens, refuses, compares; counts to standard output
//   node check.mjs seal  [vectors.json]   seals every good case afresh, one JSON object a line
//   node check.mjs hkdf  hkdf.json        HKDF-Expand against Wycheproof
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as f from './record.mjs';

const [mode = 'check', path = new URL('../../crypto/envelope/testdata/vectors.json', import.meta.url)] = process.argv.slice(2);
const vectors = JSON.parse(readFileSync(path, 'utf8'));
const hex = (s) => Buffer.from(s, 'hex');
const aadOf = (a) => f.additional({ ...a, record: hex(a.record) });

// find stands for key store and KMS, as the file's "about" says.
function find(h) {
  if (h.wrapped === undefined) {
    const k = vectors.keys.find((k) => hex(k.keyId).equals(h.keyId));
    if (!k) throw new f.FormatError('unknown key');
    return hex(k.dataKey);
  }
  const ofKEK = vectors.wrapped.filter((w) => hex(w.kek).equals(h.kek));
  if (ofKEK.length === 0) throw new f.FormatError('unknown key');
  const w = ofKEK.find((w) => hex(w.keyId).equals(h.keyId) && w.created === String(h.created) && hex(w.wrapped).equals(h.wrapped));
  if (!w) throw new f.FormatError('open');
  return hex(w.dataKey);
}

function kindOf(run) {
  try {
    run();
  } catch (e) {
    if (e instanceof f.FormatError) return e.kind;
    throw e;
  }
  return 'none: it opened';
}

const same = (want, got, what) => assert.equal(got.toString('hex'), want, what);

function check() {
  for (const r of vectors.records) {
    const record = hex(r.record), h = f.parse(record), dataKey = find(h);
    const scope = f.scopeKey(dataKey, h.suite, h.reference, r.place);
    same(r.info, f.info('cardseal seal', h.suite, h.reference, r.place), `${r.name}: info`);
    same(r.scopeKey, scope.key, `${r.name}: scope key`);
    same(r.commitment, scope.commitment, `${r.name}: commitment`);
    same(r.k1, f.cmacK1(scope.key), `${r.name}: K1`);
    same(r.salt, h.salt, `${r.name}: salt`);
    same(r.nonce, h.nonce, `${r.name}: nonce`);
    same(r.sealingKey, f.sealingKey(scope.key, h.salt), `${r.name}: sealing key`);
    same(r.aad, aadOf(r.additional), `${r.name}: additional data`);
    same(r.plaintext, f.open(record, find, r.place, aadOf(r.additional)), `${r.name}: plaintext`);
    assert.equal(f.toText(record), r.text, `${r.name}: text`);
    same(r.record, f.fromText(r.text), `${r.name}: text back`);
  }
  for (const s of vectors.subkeys) {
    same(s.info, f.info(s.label, 1, hex(s.keyId), s.place), `${s.name}: info`);
    same(s.subkey, f.subkey(hex(s.dataKey), hex(s.keyId), s.place, s.label), `${s.name}: subkey`);
  }
  for (const a of vectors.additionalRefused) {
    assert.equal(kindOf(() => aadOf(a)), 'argument', a.name);
  }
  for (const v of vectors.failing) {
    const aad = aadOf(v.additional);
    const kind = kindOf(() => {
      const record = v.text === undefined ? hex(v.record ?? '') : f.fromText(v.text);
      f.open(record, find, v.place, aad);
    });
    assert.equal(kind, v.error, v.name);
  }
  console.log(JSON.stringify({
    records: vectors.records.length, failing: vectors.failing.length,
    subkeys: vectors.subkeys.length, additionalRefused: vectors.additionalRefused.length,
  }));
}

function sealAll() {
  for (const r of vectors.records) {
    const h = f.parse(hex(r.record));
    const record = f.seal(find(h), h, r.place, hex(r.plaintext), aadOf(r.additional));
    console.log(JSON.stringify({ name: r.name, text: f.toText(record) }));
  }
}

function hkdf() {
  let run = 0;
  for (const t of vectors.testGroups.flatMap((g) => g.tests)) {
    if (t.result !== 'valid') continue;
    const extracted = createHmac('sha256', hex(t.salt)).update(hex(t.ikm)).digest();
    same(t.okm, f.expand(extracted, hex(t.info), t.size), `tcId ${t.tcId}`);
    run++;
  }
  console.log(JSON.stringify({ hkdf: run }));
}

const modes = { check, seal: sealAll, hkdf };
assert.ok(Object.hasOwn(modes, mode), 'mode is check, seal or hkdf');
modes[mode]();
