// Encrypts a card form to a public key that the vault published, with nothing but
// the browser's WebCrypto. It needs a secure context: HTTPS, or loopback.
//
//   const key = await (await fetch("/key")).json();
//   const message = await encrypt(key, {cardNumber, expiryMonth, expiryYear, cvv});
//
// The message is text: one form field, with the key's alias beside it.

const utf8 = (s) => new TextEncoder().encode(s);

// concat joins byte arrays.
function concat(...parts) {
	const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		all.set(p, at);
		at += p.length;
	}
	return all;
}

// toText and toBytes are base64url without padding.
const toText = (b) =>
	btoa(String.fromCharCode(...b)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const toBytes = (s) =>
	Uint8Array.from(atob(s.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const hexBytes = (s) => Uint8Array.from(s.match(/../g), (h) => parseInt(h, 16));

// encrypt adds the time to the fields and returns the message.
export async function encrypt(key, fields) {
	const plaintext = utf8(JSON.stringify({ ...fields, captureTime: new Date().toISOString() }));
	switch (key.suite) {
		case "hpke-p256":
			return encryptHPKE(key, plaintext);
		case "jwe-rsa-oaep-256":
			return encryptJWE(key, plaintext);
	}
	throw new Error("this page cannot encrypt to a key of the suite " + key.suite);
}

// HPKE, RFC 9180, base mode: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
const KEM = concat(utf8("KEM"), [0x00, 0x10]);
const HPKE = concat(utf8("HPKE"), [0x00, 0x10], [0x00, 0x01], [0x00, 0x02]);

async function hmac(key, data) {
	const k = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
	return new Uint8Array(await crypto.subtle.sign("HMAC", k, data));
}

// LabeledExtract and LabeledExpand, RFC 9180, section 4. No more than one block of
// output is ever needed. An empty salt is 32 zero bytes (RFC 5869, 2.2).
const noSalt = new Uint8Array(32);
const extract = (suite, salt, label, secret) => hmac(salt, concat(utf8("HPKE-v1"), suite, utf8(label), secret));
async function expand(suite, secret, label, info, size) {
	const block = await hmac(secret, concat([0, size], utf8("HPKE-v1"), suite, utf8(label), info, [1]));
	return block.slice(0, size);
}

async function encryptHPKE(key, plaintext) {
	const ecdh = { name: "ECDH", namedCurve: "P-256" };
	const theirs = toBytes(key.key);
	const pub = await crypto.subtle.importKey("raw", theirs, ecdh, false, []);
	const own = await crypto.subtle.generateKey(ecdh, false, ["deriveBits"]);
	const enc = new Uint8Array(await crypto.subtle.exportKey("raw", own.publicKey));
	const dh = new Uint8Array(await crypto.subtle.deriveBits({ name: "ECDH", public: pub }, own.privateKey, 256));

	const shared = await expand(KEM, await extract(KEM, noSalt, "eae_prk", dh), "shared_secret", concat(enc, theirs), 32);
	const none = new Uint8Array(0);
	const context = concat(
		[0], // base mode
		await extract(HPKE, noSalt, "psk_id_hash", none),
		await extract(HPKE, noSalt, "info_hash", toBytes(key.info)),
	);
	const secret = await extract(HPKE, shared, "secret", none);
	const iv = await expand(HPKE, secret, "base_nonce", context, 12);
	const raw = await expand(HPKE, secret, "key", context, 32);
	const aes = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt"]);
	const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, aes, plaintext));
	for (const bytes of [plaintext, dh, shared, secret, raw]) bytes.fill(0);
	return toText(concat([1], hexBytes(key.kid), [1], enc, sealed)); // version 1, suite 1
}

// JWE in compact form, RFC 7516: RSA-OAEP-256 and A256GCM.
async function encryptJWE(key, plaintext) {
	const rsa = await crypto.subtle.importKey("jwk", key.jwk, { name: "RSA-OAEP", hash: "SHA-256" }, false, ["encrypt"]);
	const raw = crypto.getRandomValues(new Uint8Array(32));
	const wrapped = new Uint8Array(await crypto.subtle.encrypt({ name: "RSA-OAEP" }, rsa, raw));
	const header = toText(utf8(JSON.stringify({ alg: "RSA-OAEP-256", enc: "A256GCM", kid: key.kid })));
	const aes = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt"]);
	const iv = crypto.getRandomValues(new Uint8Array(12));
	const sealed = new Uint8Array(
		await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: utf8(header) }, aes, plaintext),
	);
	for (const bytes of [plaintext, raw]) bytes.fill(0);
	const tag = sealed.length - 16;
	return [header, toText(wrapped), toText(iv), toText(sealed.slice(0, tag)), toText(sealed.slice(tag))].join(".");
}
