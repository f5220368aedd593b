package key

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"sync"

	"github.com/cartrita/cartrita/model"
)

// Prefix begins every token.
const Prefix = "sk-cartrita-"

const (
	idLength     = 12 // base32: 60 bits
	secretLength = 52 // base32: 260 bits
	tokenLength  = len(Prefix) + idLength + 1 + secretLength
)

// SecretBytes is the least length of the server secret.
const SecretBytes = 32

// newID returns the public name of a key.
func newID() model.KeyID { return model.KeyID(strings.ToLower(rand.Text())[:idLength]) }

// newToken returns what the holder of the key presents.
func newToken(id model.KeyID) string {
	secret := strings.ToLower(rand.Text() + rand.Text())
	return Prefix + string(id) + "-" + secret[:secretLength]
}

// idOf returns the id in a token; false when it does not have a token's form.
func idOf(token string) (model.KeyID, bool) {
	if len(token) != tokenLength || token[:len(Prefix)] != Prefix || token[len(Prefix)+idLength] != '-' {
		return "", false
	}
	return model.KeyID(token[len(Prefix) : len(Prefix)+idLength]), true
}

// hasher makes keyed digests. Its states are kept, because making one costs as
// much as a digest.
type hasher struct {
	fingerprint string
	states      sync.Pool // *hashState
}

type hashState struct {
	hash  hash.Hash
	token [tokenLength]byte
	sum   [sha256.Size]byte
}

func newHasher(secret []byte) *hasher {
	secret = append([]byte(nil), secret...)
	h := &hasher{}
	h.states.New = func() any { return &hashState{hash: hmac.New(sha256.New, secret)} }
	mark := hmac.New(sha256.New, secret)
	mark.Write([]byte("cartrita server secret"))
	h.fingerprint = hex.EncodeToString(mark.Sum(nil)[:8])
	return h
}

// digest calls f with the digest of the token, which f may not keep.
func (h *hasher) digest(token string, f func(sum []byte)) {
	s := h.states.Get().(*hashState)
	defer h.states.Put(s)
	n := copy(s.token[:], token)
	s.hash.Reset()
	s.hash.Write(s.token[:n])
	f(s.hash.Sum(s.sum[:0]))
	clear(s.token[:])
}
