package envelope

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

func sortAdditional(list []vAdditional) {
	slices.SortFunc(list, func(a, b vAdditional) int { return cmp.Compare(a.Name, b.Name) })
}

func (m *maker) named(name string) vRecord {
	i := slices.IndexFunc(m.v.Records, func(r vRecord) bool { return r.Name == name })
	require.GreaterOrEqual(m.t, i, 0, name)
	return m.v.Records[i]
}

func (m *maker) fail(base vRecord, kind, name string, change func(f *vFailing)) {
	f := vFailing{
		Name: name, Error: kind, Place: base.Place, Additional: base.Additional,
		Record: bytes.Clone(base.Record),
	}
	f.Additional.Pairs = slices.Clone(f.Additional.Pairs)
	change(&f)
	m.v.Failing = append(m.v.Failing, f)
}

// failing makes the vectors with one fault each. Two key IDs stand for one data
// key in the key store, so that the header's key ID is proved bound even where
// looking it up gives the right key.
func (m *maker) failing() {
	alias := storedRef("alias of a")
	m.know(vectorDataKey("a"), alias)
	m.failingShape()
	m.failingStored(alias)
	m.failingInline()
	m.failingPlace()
	m.failingAdditional()
	m.failingText()
}

func (m *maker) failingShape() {
	pan, inline := m.named("stored PAN"), m.named("inline PAN")
	whole := func(record []byte) func(*vFailing) {
		return func(f *vFailing) { f.Record = record }
	}
	set := func(i int, b byte) func(*vFailing) { return func(f *vFailing) { f.Record[i] = b } }
	m.fail(pan, "open", "no bytes", whole([]byte{}))
	for _, version := range []byte{0x00, 0x02, 0x81, 0xff} {
		m.fail(pan, "version", "version "+string("0123456789abcdef"[version>>4])+string("0123456789abcdef"[version&15]), set(0, version))
	}
	m.fail(pan, "version", "unknown version and nothing else", whole([]byte{2}))
	for _, suite := range []byte{0x00, 0x02, 0x41, 0x80, 0x82, 0xff} {
		m.fail(pan, "suite", "suite "+string("0123456789abcdef"[suite>>4])+string("0123456789abcdef"[suite&15]), set(1, suite))
	}
	m.fail(pan, "open", "stored record with bit 7 of the suite set", set(1, SuiteXAES|inlineFlag))
	m.fail(inline, "unknown key", "inline record with bit 7 of the suite clear", set(1, SuiteXAES))
	for name, n := range map[string]int{
		"01 version": 1, "02 version and suite": 2, "03 part of the key ID": 17, "04 key ID": 18,
		"05 part of the commitment": 49, "06 commitment": 50, "07 salt": 62, "08 nonce": 74, "09 all but one byte of the tag": 89,
	} {
		m.fail(pan, "open", name+" and nothing behind", whole(pan.Record[:n]))
	}
	m.fail(pan, "open", "last byte missing", whole(pan.Record[:len(pan.Record)-1]))
	m.fail(pan, "open", "first byte of the ciphertext missing", whole(slices.Concat(pan.Record[:74], pan.Record[75:])))
	m.fail(pan, "open", "a zero byte behind", whole(append(bytes.Clone(pan.Record), 0)))
	m.fail(pan, "open", "a line break behind", whole(append(bytes.Clone(pan.Record), '\n')))
	m.fail(pan, "open", "the record twice", whole(slices.Concat(pan.Record, pan.Record)))
	m.fail(m.named("empty plaintext"), "open", "no plaintext, and the tag cut", func(f *vFailing) { f.Record = f.Record[:89] })
	slices.SortStableFunc(m.v.Failing, func(a, b vFailing) int { return cmp.Compare(a.Name, b.Name) })
}

func flip(i int, mask byte) func(*vFailing) {
	return func(f *vFailing) {
		if i < 0 {
			f.Record[len(f.Record)+i] ^= mask
			return
		}
		f.Record[i] ^= mask
	}
}

func (m *maker) failingStored(alias Reference) {
	pan, again := m.named("stored PAN"), m.named("stored PAN again, other salt and nonce")
	next, cvc := m.named("stored PAN, next generation"), m.named("stored CVC")
	m.fail(pan, "unknown key", "key ID, first bit", flip(2, 0x80))
	m.fail(pan, "unknown key", "key ID, last bit", flip(17, 1))
	m.fail(pan, "open", "key ID of another key", func(f *vFailing) { copy(f.Record[2:], cvc.Record[2:18]) })
	m.fail(pan, "open", "other key ID of the same data key", func(f *vFailing) { copy(f.Record[2:], alias.KeyID[:]) })
	m.fail(pan, "open", "commitment, first bit", flip(18, 0x80))
	m.fail(pan, "open", "commitment, last bit", flip(49, 1))
	m.fail(pan, "open", "commitment of zeros", func(f *vFailing) { clear(f.Record[18:50]) })
	m.fail(pan, "open", "commitment of another scope", func(f *vFailing) { copy(f.Record[18:50], m.named("scope in UTF-8").Commitment) })
	m.fail(pan, "open", "salt, first bit", flip(50, 0x80))
	m.fail(pan, "open", "salt, last bit", flip(61, 1))
	m.fail(pan, "open", "salt of another record", func(f *vFailing) { copy(f.Record[50:62], again.Salt) })
	m.fail(pan, "open", "nonce, first bit", flip(62, 0x80))
	m.fail(pan, "open", "nonce, last bit", flip(73, 1))
	m.fail(pan, "open", "nonce of another record, same salt", func(f *vFailing) { copy(f.Record[62:74], next.Nonce) })
	m.fail(pan, "open", "salt and nonce exchanged", func(f *vFailing) {
		copy(f.Record[50:], pan.Nonce)
		copy(f.Record[62:], pan.Salt)
	})
	m.fail(pan, "open", "ciphertext, first bit", flip(74, 0x80))
	m.fail(pan, "open", "ciphertext, last bit", flip(84, 1))
	m.fail(pan, "open", "tag, first bit", flip(85, 0x80))
	m.fail(pan, "open", "tag, last bit", flip(-1, 1))
	m.fail(pan, "open", "tag of zeros", func(f *vFailing) { clear(f.Record[85:]) })
	m.fail(pan, "open", "tag of another record", func(f *vFailing) { copy(f.Record[85:], again.Record[85:]) })
	m.fail(pan, "open", "header of another record, same data key and scope", func(f *vFailing) { copy(f.Record, again.Record[:62]) })
	m.fail(pan, "open", "ciphertext and tag of another record, same salt", func(f *vFailing) { copy(f.Record[74:], next.Record[74:]) })
	m.fail(m.named("empty plaintext"), "open", "no plaintext, tag, first bit", flip(-16, 0x80))
}

func (m *maker) failingInline() {
	base := m.named("inline PAN")
	other := m.named("inline, shortest wrapped key")
	const ref, kek, keyID, created, wrapped = 2, 4, 12, 28, 36
	end := wrapped + 60 // of the key reference
	length := func(n int) func(*vFailing) {
		return func(f *vFailing) { binary.BigEndian.PutUint16(f.Record[ref:], uint16(n)) }
	}
	m.fail(base, "open", "inline, reference of length 0", length(0))
	m.fail(base, "open", "inline, reference without a wrapped key", length(32))
	m.fail(base, "open", "inline, reference one byte shorter than it is", length(32+59))
	m.fail(base, "open", "inline, reference one byte longer than it is", length(32+61))
	m.fail(base, "open", "inline, reference longer than the record", length(0xffff))
	m.fail(base, "open", "inline, wrapped key of 4065 bytes", func(f *vFailing) {
		f.Record = slices.Concat(f.Record[:ref], []byte{0x10, 0x01}, f.Record[kek:wrapped], make([]byte, MaxWrapped+1), f.Record[end:])
	})
	m.fail(base, "unknown key", "inline, KEK ID, first bit", flip(kek, 0x80))
	m.fail(base, "open", "inline, KEK ID of another KEK", func(f *vFailing) { copy(f.Record[kek:], other.Record[kek:kek+8]) })
	m.fail(base, "open", "inline, key ID, last bit", flip(keyID+15, 1))
	m.fail(base, "open", "inline, created a second later", flip(created+7, 1))
	m.fail(base, "open", "inline, created, first bit", flip(created, 0x80))
	m.fail(base, "open", "inline, wrapped key, first bit", flip(wrapped, 0x80))
	m.fail(base, "open", "inline, wrapped key, last bit", flip(end-1, 1))
	m.fail(base, "open", "inline, commitment, first bit", flip(end, 0x80))
	m.fail(base, "open", "inline, salt, last bit", flip(end+43, 1))
	m.fail(base, "open", "inline, nonce, first bit", flip(end+44, 0x80))
	m.fail(base, "open", "inline, tag, last bit", flip(-1, 1))
	m.fail(base, "open", "inline, whole reference of another record", func(f *vFailing) {
		f.Record = slices.Concat(other.Record[:37], f.Record[end:])
	})
	m.fail(base, "open", "inline, cut inside the reference", func(f *vFailing) { f.Record = f.Record[:50] })
	m.fail(base, "open", "inline, cut before the tag", func(f *vFailing) { f.Record = f.Record[:end+56] })

	for name, size := range map[string]int{"empty": 0, "of 4065 bytes": MaxWrapped + 1} {
		m.craftInline(base, "inline, right in all but a wrapped key "+name, size)
	}
	slices.SortFunc(m.v.Failing[len(m.v.Failing)-2:], func(a, b vFailing) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(m.v.Wrapped[len(m.v.Wrapped)-2:], func(a, b vWrapped) int { return cmp.Compare(len(a.Wrapped), len(b.Wrapped)) })

	// The KMS unwraps the altered bytes to the same data key, as one that ignores
	// what it is told would: the derivation still tells them apart.
	for _, c := range []struct {
		name string
		at   int
	}{{"KEK ID", kek}, {"key ID", keyID}, {"creation time", created}, {"wrapped key", wrapped}} {
		m.fail(base, "open", "inline, other "+c.name+" for the same data key", func(f *vFailing) {
			f.Record[c.at] ^= 0x40
			h, err := Inspect(f.Record)
			require.NoError(m.t, err)
			m.know(vectorDataKey("i"), h.Reference)
		})
	}
}

// craftInline seals under a reference whose wrapped key is of a size that no
// reader may take, and which the package itself refuses to write.
func (m *maker) craftInline(base vRecord, name string, size int) {
	t, dataKey, place := m.t, vectorDataKey("crafted"), Place(base.Place)
	r := inlineRef("crafted", size)
	r.Wrapped = append([]byte{}, r.Wrapped...) // not nil where empty: still inline
	m.know(dataKey, r)
	ref := binary.BigEndian.AppendUint16(nil, uint16(32+size))
	ref = append(append(ref, r.KEK[:]...), r.KeyID[:]...)
	ref = append(binary.BigEndian.AppendUint64(ref, uint64(r.Created)), r.Wrapped...)
	out, err := expand(dataKey, &place, sealLabel, SuiteXAES|inlineFlag, ref, keySize+commitSize)
	require.NoError(t, err)
	block, err := aes.NewCipher(out[:keySize])
	require.NoError(t, err)
	scope := &ScopeKey{
		prefix: slices.Concat([]byte{Version, SuiteXAES | inlineFlag}, ref, out[keySize:]),
		block:  block, k1: cmacSubkey(block), inline: true,
	}
	s, err := scope.SealingKey(Salt(seed("salt crafted", SaltSize)))
	require.NoError(t, err)
	record := sealFixed(t, s, seed("nonce crafted", nonceSize), base.Plaintext, base.AAD)
	m.fail(base, "open", name, func(f *vFailing) { f.Record = record })
}

func (m *maker) failingPlace() {
	pan := m.named("stored PAN")
	place := func(p vPlace) func(*vFailing) { return func(f *vFailing) { f.Place = p } }
	m.fail(pan, "open", "other environment", place(vPlace{"test", "shop-eu", "pan"}))
	m.fail(pan, "open", "other scope", place(vPlace{"production", "shop-us", "pan"}))
	m.fail(pan, "open", "scope in other case", place(vPlace{"production", "Shop-eu", "pan"}))
	m.fail(pan, "open", "scope and a zero byte", place(vPlace{"production", "shop-eu\x00", "pan"}))
	m.fail(pan, "open", "empty scope", place(vPlace{"production", "", "pan"}))
	m.fail(pan, "open", "other purpose", place(codes))
	m.fail(pan, "open", "environment and scope exchanged", place(vPlace{"shop-eu", "production", "pan"}))
	m.fail(m.named("scope in UTF-8"), "open", "scope decomposed (NFD)",
		place(vPlace{"production", "la\u0308den-東京-🛒", "pan"}))
	m.fail(m.named("environment ab, scope c"), "open", "a letter moved from environment to scope", place(vPlace{"a", "bc", "pan"}))
	m.fail(m.named("inline PAN"), "open", "inline, other scope", place(vPlace{"production", "shop-us", "pan"}))
}

func (m *maker) failingAdditional() {
	all := m.named("owner, generation, pairs")
	change := func(name string, c func(a *vAdditional)) {
		m.fail(all, "open", name, func(f *vFailing) { c(&f.Additional) })
	}
	change("other field", func(a *vAdditional) { a.Field = 3 })
	change("other record ID", func(a *vAdditional) { a.Record = seed("record other", 16) })
	change("other owner", func(a *vAdditional) { a.Owner = "n" })
	change("no owner", func(a *vAdditional) { a.Owner = "" })
	change("older generation", func(a *vAdditional) { a.Generation = "6" })
	change("generation 0", func(a *vAdditional) { a.Generation = "0" })
	change("other value of a pair", func(a *vAdditional) { a.Pairs[1][1] = "3" })
	change("other name of a pair", func(a *vAdditional) { a.Pairs[3][0] = "c" })
	change("last pair missing", func(a *vAdditional) { a.Pairs = a.Pairs[:3] })
	change("a pair more", func(a *vAdditional) { a.Pairs = append(a.Pairs, [2]string{"c", ""}) })
	change("no pairs", func(a *vAdditional) { a.Pairs = [][2]string{} })
	change("a letter moved from value to name", func(a *vAdditional) { a.Pairs[2] = [2]string{"aa3", ""} })
	m.fail(m.named("stored PAN"), "open", "an owner where there was none", func(f *vFailing) { f.Additional.Owner = "m" })
	m.fail(m.named("stored PAN, next generation"), "open", "additional data of the generation before", func(f *vFailing) { f.Additional.Generation = "0" })
	m.fail(m.named("generation above 2^53"), "open", "generation rounded to a double", func(f *vFailing) { f.Additional.Generation = "9007199254740992" })
}

func (m *maker) failingText() {
	// 90 bytes fill their characters, 101 leave four unused bits in the last one.
	good, odd := m.named("empty plaintext"), m.named("stored PAN")
	text := func(base vRecord, name string, change func(body string) string) {
		m.fail(base, "text", "text, "+name, func(f *vFailing) {
			s := change(strings.TrimPrefix(base.Text, TextPrefix))
			f.Record, f.Text = nil, &s
		})
	}
	text(good, "nothing", func(string) string { return "" })
	text(good, "prefix alone", func(string) string { return TextPrefix })
	text(good, "no prefix", func(b string) string { return b })
	text(good, "prefix in capitals", func(b string) string { return "CS1." + b })
	text(good, "prefix of another version", func(b string) string { return "cs2." + b })
	text(good, "space before", func(b string) string { return " cs1." + b })
	text(good, "space behind", func(b string) string { return "cs1." + b + " " })
	text(good, "line break behind", func(b string) string { return "cs1." + b + "\n" })
	text(good, "line break inside", func(b string) string { return "cs1." + b[:8] + "\n" + b[8:] })
	text(good, "carriage return inside", func(b string) string { return "cs1." + b[:8] + "\r" + b[8:] })
	text(good, "zero byte inside", func(b string) string { return "cs1." + b[:8] + "\x00" + b[8:] })
	text(good, "four characters of padding", func(b string) string { return "cs1." + b + "====" })
	text(odd, "padded", func(b string) string { return "cs1." + b + "=" })
	text(odd, "unused bits set", func(b string) string {
		last := strings.IndexByte(base64url, b[len(b)-1])
		return "cs1." + b[:len(b)-1] + base64url[last+1:last+2]
	})
	text(good, "character too few for a byte", func(b string) string { return "cs1." + b + "A" })
	text(good, "standard alphabet", func(b string) string { return "cs1." + b[:4] + "+" + b[5:] })
	text(good, "standard alphabet, slash", func(b string) string { return "cs1." + b[:4] + "/" + b[5:] })
	text(good, "letter outside ASCII", func(b string) string { return "cs1." + b[:4] + "é" + b[5:] })
	m.fail(good, "open", "text, whole but one byte short", func(f *vFailing) {
		s := string(AppendText(nil, good.Record[:89]))
		f.Record, f.Text = nil, &s
	})
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
