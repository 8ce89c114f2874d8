package main

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"
)

// identityMessage is what travels of an identity.
type identityMessage struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

func (m identityMessage) key() string {
	return strings.ToLower(m.Name) + ":" + strings.ToLower(m.Address)
}

type identity struct {
	identityMessage
	PublicKey   string `json:"public_key"`
	PrivateKey  string `json:"private_key"`
	TokenSecret string `json:"token_secret"`
	private     *secp256k1.PrivateKey
}

func randomHex(bytes int) string {
	raw := make([]byte, bytes)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

// loadIdentity reads the file or makes it; a name given is saved in it.
func loadIdentity(path, name string) (*identity, error) {
	id := &identity{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, id)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if id.PrivateKey == "" {
		id.PrivateKey = randomHex(32)
	}
	if id.TokenSecret == "" {
		secret, _ := hex.DecodeString(randomHex(32))
		id.TokenSecret = base64.RawURLEncoding.EncodeToString(secret)
	}
	if name != "" {
		id.Name = name
	}
	if id.Name == "" {
		id.Name = "peer-" + randomHex(4)
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(id.PrivateKey, "0x"))
	if err != nil {
		return nil, err
	}
	id.private = secp256k1.PrivKeyFromBytes(raw)
	id.PublicKey = hex.EncodeToString(id.private.PubKey().SerializeCompressed())
	id.Address = addressOf(id.private.PubKey())
	text, _ = json.MarshalIndent(id, "", "  ")
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return nil, err
	}
	return id, os.Rename(path+".new", path)
}

func keccak(data ...[]byte) []byte {
	h := sha3.NewLegacyKeccak256()
	for _, d := range data {
		h.Write(d)
	}
	return h.Sum(nil)
}

func eip55(address string) string {
	digits := []byte(strings.ToLower(strings.TrimPrefix(strings.ToLower(address), "0x")))
	marks := hex.EncodeToString(keccak(digits))
	for i, c := range digits {
		if c >= 'a' && marks[i] > '7' {
			digits[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(digits)
}

func addressOf(key *secp256k1.PublicKey) string {
	return eip55(hex.EncodeToString(keccak(key.SerializeUncompressed()[1:])[12:]))
}

func personalDigest(text string) []byte {
	return keccak([]byte("\x19Ethereum Signed Message:\n"+strconv.Itoa(len(text))), []byte(text))
}

func (id *identity) signPersonal(text string) string {
	compact := ecdsa.SignCompact(id.private, personalDigest(text), false)
	return "0x" + hex.EncodeToString(append(compact[1:], compact[0]))
}

// recoverPersonal gives the address that signed.
func recoverPersonal(text, signature string) (string, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(signature, "0x"))
	if err != nil || len(raw) != 65 || raw[64]%27 > 1 {
		return "", errors.New("the signature is not r, s and v")
	}
	compact := append([]byte{27 + raw[64]%27}, raw[:64]...)
	key, _, err := ecdsa.RecoverCompact(compact, personalDigest(text))
	if err != nil {
		return "", err
	}
	return addressOf(key), nil
}

func (id *identity) deriveToken(parts ...string) string {
	mac := hmac.New(sha256.New, []byte(id.TokenSecret))
	mac.Write([]byte("Portal identity token v1\n" + id.key()))
	for _, p := range parts {
		p = strings.TrimSpace(p)
		fmt.Fprintf(mac, "\n%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func hostnameHash(host string) string {
	host = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(host)), ".")
	sum := sha256.Sum256([]byte("portal hostname hash v1\x00" + host))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (id *identity) routeHostname(root string) string {
	sum := sha256.Sum256([]byte(id.deriveToken("ech-route", id.Name+"."+root, root)))
	label := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20])
	return "ech-" + strings.ToLower(label) + "." + root
}

// ech gives the tenant's private key and its ECHConfig, without the list's length.
func (id *identity) ech(root string) (private, config []byte, err error) {
	route := id.routeHostname(root)
	seed := id.deriveToken("tenant-ech", id.Name+"."+root, route)
	private, err = hkdf.Key(sha256.New, []byte(seed), nil, "portal relay ech v1:"+route, 32)
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	public := key.PublicKey().Bytes()
	number := sha256.Sum256([]byte("portal relay ech config id v1\x00" + route + "\x00" +
		string(public)))
	body := []byte{number[0], 0x00, 0x20, 0x00, 0x20}
	body = append(body, public...)
	body = append(body, 0, 4, 0, 1, 0, 1, 255, byte(len(route)))
	body = append(append(body, route...), 0, 0)
	return private, append([]byte{0xfe, 0x0d, 0, byte(len(body))}, body...), nil
}
