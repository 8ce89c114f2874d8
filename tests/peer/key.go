package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// seedStream yields the bytes from which a seeded key is made: SHA-512 over and over,
// the first half of each digest being the next state and the second half the output.
type seedStream struct{ state []byte }

func newSeedStream(seed string) *seedStream {
	s := &seedStream{state: []byte(seed)}
	for i := 0; i < 2048; i++ {
		h := sha512.Sum512(s.state)
		s.state = h[:32]
	}
	return s
}

func (s *seedStream) block() []byte {
	h := sha512.Sum512(s.state)
	s.state = h[:32]
	return h[32:]
}

func seededKey(seed string) *ecdsa.PrivateKey {
	s := newSeedStream(seed)
	first, second := s.block(), s.block()
	b := new(big.Int).SetBytes(append(append([]byte{}, first...), second[:8]...))
	curve := elliptic.P256()
	limit := new(big.Int).Sub(curve.Params().N, big.NewInt(1))
	key := &ecdsa.PrivateKey{D: b.Mod(b, limit)}
	key.D.Add(key.D, big.NewInt(1))
	key.Curve = curve
	key.X, key.Y = curve.ScalarBaseMult(key.D.Bytes())
	return key
}

func chiselKey(text string) (*ecdsa.PrivateKey, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "ck-"))
	der, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return x509.ParseECPrivateKey(der)
}

func keyFromFile(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(text), "ck-") {
		key, err := chiselKey(string(text))
		if err != nil {
			return nil, err
		}
		return ssh.NewSignerFromKey(key)
	}
	return ssh.ParsePrivateKey(text)
}

func hostKey(seed, keyfile string) (ssh.Signer, error) {
	if keyfile != "" {
		return keyFromFile(keyfile)
	}
	if seed != "" {
		return ssh.NewSignerFromKey(seededKey(seed))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
}

func fingerprint(key ssh.PublicKey) string {
	sum := sha256.Sum256(key.Marshal())
	return base64.StdEncoding.EncodeToString(sum[:])
}

func legacyFingerprint(key ssh.PublicKey) string {
	sum := md5.Sum(key.Marshal())
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02x", b)
	}
	return strings.Join(pairs, ":")
}

// checkFingerprint accepts anything when nothing was asked for.
func checkFingerprint(want string, key ssh.PublicKey) error {
	if want == "" || want == fingerprint(key) || want == legacyFingerprint(key) {
		return nil
	}
	return errors.New("Invalid fingerprint (" + fingerprint(key) + ")")
}
