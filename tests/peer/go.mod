module peer

go 1.24.0

require (
	github.com/decred/dcrd/dcrec/secp256k1/v4 v4.4.0
	github.com/gorilla/websocket v1.5.3
	golang.org/x/crypto v0.48.0
)

require golang.org/x/sys v0.41.0 // indirect
