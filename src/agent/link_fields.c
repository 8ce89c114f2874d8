/* The options of a link as fields. */
#include "agent/link_fields.h"

#include "tunnel/chisel/check.h"

#define AT(member) FIELD_AT(struct link_client_options, member)

static const struct field rows[] = {
	{ "fingerprint", FIELD_TEXT, AT(fingerprint), .check = check_fingerprint,
		.argument = "text",
		.help = "connect only to the server with this fingerprint, which its log"
			" shows; without it, any server that answers gets the password" },
	{ "auth", FIELD_SECRET, AT(auth), .check = check_auth, .env = "AUTH",
		.argument = "name:password",
		.help = "log in as this user; the variable AUTH keeps the password out of"
			" the process list" },
	{ "keepalive", FIELD_DURATION, AT(tuning.keepalive_ms), .initial = "25s",
		.argument = "duration",
		.help = "time between pings, which detect a dead server and keep NAT and"
			" firewall entries alive; 0s sends none" },
	{ "proxy", FIELD_TEXT, AT(proxy), .check = check_proxy, .argument = "url",
		.help = "connect through this proxy: http://, socks5:// or socks5h://, with"
			" name:password@ before the host if the proxy needs a login" },
	{ "hostname", FIELD_TEXT, AT(hostname), .check = check_hostname,
		.argument = "name",
		.help = "send this host name to the server, in HTTP (Host) and in TLS (SNI)" },
	{ "sni", FIELD_TEXT, AT(sni), .check = check_host, .argument = "name",
		.help = "send this host name in TLS (SNI) only; overrides --hostname" },
	{ "tls_ca", FIELD_TEXT, AT(tls_ca), .argument = "file",
		.help = "trust the CA certificates in this PEM file, instead of the"
			" system's" },
	{ "tls_skip_verify", FIELD_BOOL, AT(tls_skip_verify),
		.help = "accept any certificate: safe only together with --fingerprint" },
	{ "tls_key", FIELD_TEXT, AT(tls_key), .argument = "file",
		.help = "the private key (PEM) of the client certificate; needs --tls-cert" },
	{ "tls_cert", FIELD_TEXT, AT(tls_cert), .argument = "file",
		.help = "present this client certificate (PEM) to the server; needs"
			" --tls-key" },
};

const struct field_table link_fields = FIELD_TABLE_OF(struct link_client_options, rows);
