// peer is an independent other end for adit's link: a small program that speaks the
// same protocol on other people's libraries. It was written from the protocol's
// description alone, so that a mistake in adit's reading of it shows as a quarrel.
//
//	peer server [flags]
//	peer client [flags] <server> <remote>...
//
// Build:  cd tests/peer && go build -o peer .      (Go 1.24 or newer)
//
// By default it behaves like the long-lived releases of the field: no half-close, it
// accepts a channel before it has dialled, its pings have no timeout. --half-close makes
// it behave like the newest ones. A few flags make it misbehave; the tests say why.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const version = "0.0.0-peer"

// manners says how this end behaves where releases differ, or how it misbehaves.
type manners struct {
	halfClose      bool   // carry end-of-file each way, dial before accepting
	noPong         bool   // never answer a ping
	mute           bool   // never answer config
	unknownRequest bool   // ask something nobody knows, before each ping
	udpClose       bool   // close the UDP channel at the first datagram
	configJSON     string // client: send this instead of the real configuration
	open           string // open a channel to this target once connected, and report
	srcSuffix      string // UDP exit: append this to the flow key of answers
	rekey          uint64 // bytes between key exchanges
	algorithms     string // "old": what releases before 1.9 offer; "nist", "chacha"
}

func (m *manners) flags(f *flag.FlagSet) {
	f.BoolVar(&m.halfClose, "half-close", false, "carry end-of-file each way")
	f.BoolVar(&m.noPong, "no-pong", false, "never answer a ping")
	f.BoolVar(&m.mute, "mute", false, "never answer config")
	f.BoolVar(&m.unknownRequest, "unknown-request", false, "ask what nobody knows")
	f.BoolVar(&m.udpClose, "udp-close", false, "close the UDP channel")
	f.StringVar(&m.configJSON, "config-json", "", "raw text of the config request")
	f.StringVar(&m.open, "open", "", "open a channel to this target and report")
	f.StringVar(&m.srcSuffix, "src-suffix", "", "spoil the flow key of UDP answers")
	f.Uint64Var(&m.rekey, "rekey", 0, "bytes between key exchanges")
	f.StringVar(&m.algorithms, "algorithms", "", "old, nist or chacha")
}

func main() {
	log.SetOutput(os.Stderr)
	go endOnSignal()
	if len(os.Args) < 2 {
		usage()
	}
	switch os.Args[1] {
	case "server":
		serverMain(os.Args[2:])
	case "client":
		clientMain(os.Args[2:])
	default:
		usage()
	}
}

func endOnSignal() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM)
	<-asked
	os.Exit(0)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: peer server|client ...")
	os.Exit(2)
}

func serverMain(args []string) {
	f := flag.NewFlagSet("server", flag.ExitOnError)
	s := &server{users: &users{}}
	host := f.String("host", "0.0.0.0", "")
	port := f.String("port", "8080", "")
	seed := f.String("key", "", "")
	keyfile := f.String("keyfile", "", "")
	auth := f.String("auth", "", "")
	authfile := f.String("authfile", "", "")
	f.DurationVar(&s.keepalive, "keepalive", 25*time.Second, "")
	f.BoolVar(&s.reverse, "reverse", false, "")
	f.BoolVar(&s.socks, "socks5", false, "")
	s.manners.flags(f)
	f.Parse(args)

	fatal(s.users.addPair(*auth))
	fatal(s.users.addFile(*authfile))
	key, err := hostKey(*seed, *keyfile)
	fatal(err)
	s.key = key
	fatal(s.run(*host + ":" + *port))
}

// headers collects repeated --header "Name: value".
type headers map[string]string

func (h headers) String() string { return "" }
func (h headers) Set(text string) error {
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return fmt.Errorf("a header is \"Name: value\"")
	}
	h[name] = strings.TrimSpace(value)
	return nil
}

func clientMain(args []string) {
	f := flag.NewFlagSet("client", flag.ExitOnError)
	c := &client{headers: headers{}}
	f.StringVar(&c.fingerprint, "fingerprint", "", "")
	f.StringVar(&c.auth, "auth", "", "")
	f.DurationVar(&c.keepalive, "keepalive", 25*time.Second, "")
	f.DurationVar(&c.maxInterval, "max-retry-interval", 5*time.Minute, "")
	f.IntVar(&c.maxRetries, "max-retry-count", -1, "")
	f.StringVar(&c.tlsCA, "tls-ca", "", "")
	f.BoolVar(&c.tlsSkip, "tls-skip-verify", false, "")
	f.Var(c.headers, "header", "")
	c.manners.flags(f)
	f.Parse(args)
	if f.NArg() < 2 {
		log.Fatal("client: a server and at least one remote are needed")
	}
	fatal(c.run(f.Arg(0), f.Args()[1:]))
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
