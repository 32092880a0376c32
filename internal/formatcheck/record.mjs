// Sealed record format 1, after FORMAT.md. Uses node:crypto and nothing else.
import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

// FormatError has a kind: version, suite, unknown key, text, open or argument.
export class FormatError extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

const refuse = (kind) => { throw new FormatError(kind); };
const u16 = (n) => { const b = Buffer.alloc(2); b.writeUInt16BE(n); return b; };
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt.asUintN(64, n)); return b; };

// utf8 refuses strings that have no UTF-8 form (lone surrogates).
const utf8 = (s) => {
  const b = Buffer.from(s, 'utf8');
  return b.toString('utf8') === s ? b : refuse('argument');
};
const prefixed = (b) => (b.length > 0xffff ? refuse('argument') : Buffer.concat([u16(b.length), b]));

// Section 2: header and reference.

const INLINE = 0x80;
const MAX_WRAPPED = 4064;

// parse splits a record into its parts. It needs no key and proves nothing.
export function parse(record) {
  let at = 0;
  const take = (n) => {
    if (record.length - at < n) refuse('open');
    at += n;
    return record.subarray(at - n, at);
  };
  if (take(1)[0] !== 1) refuse('version');
  const suite = take(1)[0];
  if ((suite & ~INLINE) !== 1) refuse('suite');
  const h = { suite };
  if (suite & INLINE) {
    const size = take(2).readUInt16BE();
    if (size < 33 || size > 32 + MAX_WRAPPED) refuse('open');
    h.kek = take(8);
    h.keyId = take(16);
    h.created = take(8).readBigInt64BE();
    h.wrapped = take(size - 32);
  } else {
    h.keyId = take(16);
  }
  h.reference = record.subarray(2, at);
  h.commitment = take(32);
  h.salt = take(12);
  h.nonce = take(12);
  h.sealed = record.subarray(at);
  if (h.sealed.length < 16) refuse('open');
  return h;
}

// Section 3: from data key to scope key.

export function info(label, suite, reference, place) {
  return Buffer.concat([
    utf8(label), Buffer.from([1]), Buffer.from([suite]), reference,
    utf8(place.environment), utf8(place.scope), utf8(place.purpose),
  ].map(prefixed));
}

// expand is HKDF-Expand with SHA-256 (RFC 5869, 2.3).
export function expand(key, context, size) {
  let block = Buffer.alloc(0);
  const out = [];
  for (let i = 1; out.length * 32 < size; i++) {
    block = createHmac('sha256', key).update(block).update(context).update(Buffer.from([i])).digest();
    out.push(block);
  }
  return Buffer.concat(out).subarray(0, size);
}

export function scopeKey(dataKey, suite, reference, place) {
  if (dataKey.length !== 32) refuse('argument');
  const out = expand(dataKey, info('cardseal seal', suite, reference, place), 64);
  return { key: out.subarray(0, 32), commitment: out.subarray(32) };
}

export function subkey(dataKey, keyId, place, label) {
  if (label === '' || label === 'cardseal seal') refuse('argument');
  return expand(dataKey, info(label, 1, keyId, place), 32);
}

// Section 4: from scope key and salt to sealing key.

function aesBlock(key, block) {
  const c = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  return Buffer.concat([c.update(block), c.final()]);
}

export function cmacK1(key) {
  const l = BigInt('0x' + aesBlock(key, Buffer.alloc(16)).toString('hex'));
  const doubled = BigInt.asUintN(128, l << 1n) ^ (l >> 127n ? 0x87n : 0n);
  return Buffer.from(doubled.toString(16).padStart(32, '0'), 'hex');
}

export function sealingKey(key, salt) {
  const k1 = cmacK1(key);
  const half = (counter) => {
    const m = Buffer.concat([Buffer.from([0, counter, 0x58, 0]), salt]);
    return aesBlock(key, m.map((b, i) => b ^ k1[i]));
  };
  return Buffer.concat([half(1), half(2)]);
}

// Section 5: additional data.

export function additional(a) {
  const generation = BigInt(a.generation);
  if (generation < 0n || generation >> 64n) refuse('argument');
  const parts = [Buffer.from([1, a.field]), a.record, prefixed(utf8(a.owner)), u64(generation)];
  let total = 0;
  let before = null;
  for (const [name, value] of a.pairs) {
    const n = utf8(name), v = utf8(value);
    // By bytes: JavaScript compares strings by UTF-16 units, which is another order.
    if (n.length === 0 || (before && Buffer.compare(before, n) >= 0)) refuse('argument');
    total += n.length + v.length;
    if (total > 1024) refuse('argument');
    parts.push(prefixed(n), prefixed(v));
    before = n;
  }
  return Buffer.concat(parts);
}

// Section 6: seal and open.

export function reference(r) {
  if (r.wrapped === undefined) return { suite: 1, bytes: r.keyId };
  if (r.wrapped.length < 1 || r.wrapped.length > MAX_WRAPPED) refuse('argument');
  return { suite: 1 | INLINE, bytes: prefixed(Buffer.concat([r.kek, r.keyId, u64(r.created), r.wrapped])) };
}

export function seal(dataKey, ref, place, plaintext, aad) {
  const { suite, bytes } = reference(ref);
  const scope = scopeKey(dataKey, suite, bytes, place);
  const salt = randomBytes(12), nonce = randomBytes(12);
  const c = createCipheriv('aes-256-gcm', sealingKey(scope.key, salt), nonce, { authTagLength: 16 });
  c.setAAD(aad);
  const ciphertext = Buffer.concat([c.update(plaintext), c.final()]);
  return Buffer.concat([Buffer.from([1, suite]), bytes, scope.commitment, salt, nonce, ciphertext, c.getAuthTag()]);
}

// open finds the data key through find(header), which throws where there is none.
export function open(record, find, place, aad) {
  const h = parse(record);
  const scope = scopeKey(find(h), h.suite, h.reference, place);
  if (!timingSafeEqual(scope.commitment, h.commitment)) refuse('open');
  const split = h.sealed.length - 16;
  const d = createDecipheriv('aes-256-gcm', sealingKey(scope.key, h.salt), h.nonce, { authTagLength: 16 });
  d.setAAD(aad);
  d.setAuthTag(h.sealed.subarray(split));
  const plaintext = d.update(h.sealed.subarray(0, split));
  try {
    d.final();
  } catch {
    refuse('open');
  }
  return plaintext;
}

// Section 7: text form.

export const toText = (record) => 'cs1.' + record.toString('base64url');

export function fromText(text) {
  const body = text.startsWith('cs1.') ? text.slice(4) : refuse('text');
  // Node decodes leniently; what does not encode to the same text was not strict.
  const record = Buffer.from(body, 'base64url');
  if (body === '' || record.toString('base64url') !== body) refuse('text');
  return record;
}
