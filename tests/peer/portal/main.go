// portal stands in for both ends of a lease: a relay and a client with the behaviour and
// the timings that the protocol's description tells of the programs in the field, on Go's
// own TLS and HTTP. It was written from that description alone.
//
//	portal relay  [--portal-url URL] [--api-port N] [--sni-port N] [--identity-path DIR] ...
//	portal expose [--relays URL,...] [--name NAME] [--identity-path FILE] ... <target>
//
// Build:  cd tests/peer && go build -o portal-peer ./portal      (Go 1.24 or newer)
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

const (
	protocolVersion = "7"
	releaseVersion  = "v0.0.0-peer"
	copyBytes       = 64 << 10
	markerIdle      = 0x00
	markerRaw       = 0x01
	markerTLS       = 0x02
	tokenHeader     = "X-Portal-Access-Token"
	connectAnswer   = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
)

func main() {
	log.SetOutput(os.Stderr)
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if len(os.Args) < 2 {
		usage()
	}
	switch os.Args[1] {
	case "relay":
		relayMain(os.Args[2:])
	case "expose":
		exposeMain(os.Args[2:])
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: portal relay|expose ...")
	os.Exit(2)
}

func waitSignal() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM)
	<-asked
}

func relayMain(args []string) {
	f := flag.NewFlagSet("relay", flag.ExitOnError)
	r := newRelay()
	url := f.String("portal-url", "https://localhost:4017", "")
	dir := f.String("identity-path", "./.portal-certs", "")
	f.IntVar(&r.apiPort, "api-port", 4017, "")
	f.IntVar(&r.sniPort, "sni-port", 443, "")
	f.BoolVar(&r.tcpEnabled, "tcp-enabled", false, "")
	f.IntVar(&r.minPort, "min-port", 0, "")
	f.IntVar(&r.maxPort, "max-port", 0, "")
	f.Parse(args)
	fatal(r.start(*url, *dir))
	waitSignal()
}

func exposeMain(args []string) {
	f := flag.NewFlagSet("expose", flag.ExitOnError)
	e := &exposure{}
	relays := f.String("relays", "", "")
	path := f.String("identity-path", "identity.json", "")
	name := f.String("name", "", "")
	f.Bool("discovery", true, "not done here")
	f.BoolVar(&e.tcp, "tcp", false, "")
	f.BoolVar(&e.banMITM, "ban-mitm", true, "")
	f.BoolVar(&e.hide, "hide", false, "")
	f.IntVar(&e.ttl, "ttl", 120, "seconds to ask for; not a flag of the field")
	f.Parse(args)
	if f.NArg() != 1 {
		log.Fatal("expose: one target is needed")
	}
	id, err := loadIdentity(*path, *name)
	fatal(err)
	e.identity, e.target = id, normalTarget(f.Arg(0))
	for _, url := range strings.Split(*relays, ",") {
		l, err := newListener(e, url)
		fatal(err)
		e.listeners = append(e.listeners, l)
		go l.run()
	}
	waitSignal()
	e.shutdown(5 * time.Second)
}

func normalTarget(text string) string {
	for _, scheme := range []string{"http://", "https://"} {
		text = strings.TrimSuffix(strings.TrimPrefix(text, scheme), "/")
	}
	if text = strings.TrimPrefix(text, ":"); strings.Trim(text, "0123456789") == "" {
		return "127.0.0.1:" + text
	}
	if !strings.Contains(text, ":") {
		return text + ":80"
	}
	return text
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
