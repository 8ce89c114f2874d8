package main

import (
	"encoding/json"
	"fmt"
	"time"
)

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	status  int
}

func (f *failure) Error() string { return fmt.Sprintf("%s: %s", f.Code, f.Message) }

type envelope struct {
	Data  json.RawMessage `json:"data,omitempty"`
	Error *failure        `json:"error,omitempty"`
	OK    bool            `json:"ok"`
}

type domainAnswer struct {
	ProtocolVersion string          `json:"protocol_version"`
	ReleaseVersion  string          `json:"release_version"`
	ENS             map[string]bool `json:"ens"`
}

type metadata struct {
	Description string   `json:"description,omitempty"`
	Owner       string   `json:"owner,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	Hide        bool     `json:"hide,omitempty"`
}

type challengeQuestion struct {
	Identity      identityMessage `json:"identity"`
	Metadata      metadata        `json:"metadata"`
	TTL           int             `json:"ttl"`
	UDPEnabled    bool            `json:"udp_enabled,omitempty"`
	TCPEnabled    bool            `json:"tcp_enabled,omitempty"`
	HopToken      string          `json:"hop_token,omitempty"`
	RouteHostname string          `json:"route_hostname,omitempty"`
	HostnameHash  string          `json:"hostname_hash,omitempty"`
	ECHConfigList string          `json:"ech_config_list,omitempty"`
}

type challengeAnswer struct {
	ChallengeID string    `json:"challenge_id"`
	ExpiresAt   time.Time `json:"expires_at"`
	Message     string    `json:"siwe_message"`
}

type registerQuestion struct {
	ChallengeID string `json:"challenge_id"`
	Message     string `json:"siwe_message"`
	Signature   string `json:"siwe_signature"`
	ReportedIP  string `json:"reported_ip,omitempty"`
}

type registerAnswer struct {
	Identity    identityMessage `json:"identity"`
	ExpiresAt   time.Time       `json:"expires_at"`
	AccessToken string          `json:"access_token"`
	SNIPort     int             `json:"sni_port,omitempty"`
	TCPEnabled  bool            `json:"tcp_enabled,omitempty"`
	TCPAddr     string          `json:"tcp_addr,omitempty"`
}

type renewQuestion struct {
	AccessToken string   `json:"access_token"`
	TTL         int      `json:"ttl,omitempty"`
	ReportedIP  string   `json:"reported_ip,omitempty"`
	Metadata    metadata `json:"metadata"`
}

type renewAnswer struct {
	ExpiresAt   time.Time `json:"expires_at"`
	AccessToken string    `json:"access_token"`
}

type signQuestion struct {
	KeyID     string `json:"key_id"`
	Algorithm string `json:"algorithm"`
	Digest    []byte `json:"digest"`
	Timestamp int64  `json:"timestamp_unix"`
	Nonce     string `json:"nonce"`
}

type signAnswer struct {
	KeyID     string `json:"key_id"`
	Algorithm string `json:"algorithm"`
	Signature []byte `json:"signature"`
}
