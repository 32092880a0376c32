// Makes JWEs with jose, and HPKE messages with @hpke/core and with this project's
// own page (examples/capture), for the keys in ../keys.json. Prints them as
// ../javascript.json has them.
import { readFileSync } from "node:fs";
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { CompactEncrypt, importJWK } from "jose";
import { encrypt } from "../../../../examples/capture/page/capture.js";

const hex = (s) => Uint8Array.from(s.match(/../g) ?? [], (h) => parseInt(h, 16));
const utf8 = (s) => new TextEncoder().encode(s);
const b64 = (b) => Buffer.from(b).toString("base64url");
const kems = { "hpke-p256": DhkemP256HkdfSha256, "hpke-x25519": DhkemX25519HkdfSha256, "hpke-xwing": XWing };
const numbers = { "hpke-p256": 1, "hpke-x25519": 2, "hpke-xwing": 3 };

// info of a message, put together from the package's documentation.
function info(suite, kid) {
	const parts = ["cardseal capture", [1], [numbers[suite]], hex(kid), "test", "scope", "alias"]
		.map((p) => (typeof p === "string" ? utf8(p) : Uint8Array.from(p)));
	return Buffer.concat(parts.flatMap((p) => [Buffer.from([p.length >> 8, p.length & 255]), p]));
}

async function byHPKE(k, plain) {
	const suite = new CipherSuite({ kem: new kems[k.suite](), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
	const recipientPublicKey = await suite.kem.deserializePublicKey(hex(k.public));
	const sender = await suite.createSenderContext({ recipientPublicKey, info: info(k.suite, k.kid) });
	const sealed = await sender.seal(utf8(plain));
	return b64(Buffer.concat([[1], hex(k.kid), [numbers[k.suite]], new Uint8Array(sender.enc), new Uint8Array(sealed)].map((p) => Buffer.from(p))));
}

async function byJose(k, plain, apu) {
	const e = new CompactEncrypt(utf8(plain)).setProtectedHeader({ alg: k.jwk.alg, enc: "A256GCM", kid: k.jwk.kid });
	if (apu) {
		e.setKeyManagementParameters({ apu: utf8("a page"), apv: utf8("a vault") });
	}
	return e.encrypt(await importJWK(k.jwk));
}

const all = [];
for (const k of JSON.parse(readFileSync("../keys.json"))) {
	const add = (made, plaintext, message) => all.push({ key: k.name, made, plaintext, message });
	for (const plain of ["", '{"made":"in JavaScript"}']) {
		if (k.jwk) {
			add("jose", plain, await byJose(k, plain));
		} else {
			add("@hpke/core", plain, await byHPKE(k, plain));
		}
	}
	if (k.suite === "jwe-ecdh-es") {
		add("jose", "with apu and apv", await byJose(k, "with apu and apv", true));
	}
	if (k.suite === "hpke-p256" || k.suite === "jwe-rsa-oaep-256") {
		const published = { ...k, key: b64(hex(k.public)), info: b64(info(k.suite, k.kid)) };
		add("examples/capture", "", await encrypt(published, { made: "by a page" }));
	}
}
console.log(JSON.stringify(all, null, " "));
