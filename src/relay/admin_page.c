/*
 * The page for administrators. All it needs is in it, and the policy that goes with it
 * lets a browser load and run nothing else.
 */
#include "crypto/hash.h"
#include "relay/admin.h"
#include "text/base64.h"

static const char style[] =
	"body{margin:2rem;font:16px/1.5 system-ui,sans-serif;color-scheme:light dark}"
	"table{border-collapse:collapse}"
	"td,th{border-top:1px solid #8888;padding:.3rem .6rem;text-align:left;"
	"overflow-wrap:anywhere}button{margin-right:.3rem}#say{color:#c33}";

static const char script[] =
	"'use strict';\n"
	"const $=(id)=>document.getElementById(id);\n"
	"const say=(text)=>{$('say').textContent=text;};\n"
	"async function ask(method,path,body){\n"
	"const r=await fetch('/admin/'+path,{method,credentials:'same-origin',body:bo"
	"dy?JSON.stringify(body):undefined});\n"
	"const e=await r.json();\n"
	"if(!e.ok)throw new Error(e.error.message);\n"
	"return e.data;\n"
	"}\n"
	"const b64=(text)=>btoa(text).replaceAll('+','-').replaceAll('/','_').replace"
	"All('=','');\n"
	"const run=(fn)=>async()=>{try{say('');await fn();}catch(e){say(e.message||St"
	"ring(e));}};\n"
	"function button(text,fn){\n"
	"const b=document.createElement('button');\n"
	"b.textContent=text;\n"
	"b.addEventListener('click',run(async()=>{await fn();await show();}));\n"
	"return b;\n"
	"}\n"
	"function row(l){\n"
	"const tr=document.createElement('tr');\n"
	"const cell=(text)=>{const td=document.createElement('td');td.textContent=tex"
	"t;tr.append(td);return td;};\n"
	"const at='leases/'+b64(l.identity_key.slice(0,l.identity_key.lastIndexOf(':'"
	")))+'/'+b64(l.address)+'/';\n"
	"const flip=(is,word)=>()=>ask(is?'DELETE':'POST',at+word);\n"
	"cell(l.Hostname);cell(l.address);cell(l.ClientIP);\n"
	"cell([l.IsBanned&&'banned',l.IsDenied&&'denied',l.IsIPBanned&&'address banne"
	"d',l.IsApproved?'approved':'waits',l.BPS?l.BPS+' bytes/s':''].filter(Boolean"
	").join(', '));\n"
	"cell('').append(button('Approve',()=>ask('POST',at+'approve')),\n"
	"button(l.IsDenied?'Do not deny':'Deny',flip(l.IsDenied,'deny')),\n"
	"button(l.IsBanned?'Do not ban':'Ban',flip(l.IsBanned,'ban')),\n"
	"button('Limit',async()=>{\n"
	"const n=prompt('Bytes per second; 0 for no limit',String(l.BPS));\n"
	"if(n===null)return;\n"
	"if(Number(n)>0)await ask('POST',at+'bps',{bps:Math.floor(Number(n))});\n"
	"else await ask('DELETE',at+'bps');\n"
	"}));\n"
	"return tr;\n"
	"}\n"
	"async function show(){\n"
	"const who=await ask('GET','auth/status');\n"
	"$('in').hidden=who.authenticated;$('out').hidden=!who.authenticated;\n"
	"if(!who.authenticated)return;\n"
	"$('who').textContent=who.wallet_address;\n"
	"const all=await ask('GET','snapshot');\n"
	"$('mode').textContent=all.approval_mode;\n"
	"$('leases').replaceChildren(...all.leases.map(row));\n"
	"}\n"
	"let challenge=null;\n"
	"async function begin(address){\n"
	"challenge=await ask('POST','auth/challenge',{address});\n"
	"$('text').value=challenge.siwe_message;$('paste').hidden=false;\n"
	"}\n"
	"async function end(signature){\n"
	"await ask('POST','auth/login',{challenge_id:challenge.challenge_id,siwe_mess"
	"age:challenge.siwe_message,siwe_signature:signature});\n"
	"$('paste').hidden=true;\n"
	"await show();\n"
	"}\n"
	"$('wallet').addEventListener('click',run(async()=>{\n"
	"if(!window.ethereum)throw new Error('This browser has no wallet: paste a sig"
	"nature instead.');\n"
	"const [address]=await window.ethereum.request({method:'eth_requestAccounts'}"
	");\n"
	"await begin(address);\n"
	"const hex='0x'+Array.from(new TextEncoder().encode(challenge.siwe_message),("
	"b)=>b.toString(16).padStart(2,'0')).join('');\n"
	"await end(await window.ethereum.request({method:'personal_sign',params:[hex,"
	"address]}));\n"
	"}));\n"
	"$('ask').addEventListener('click',run(()=>begin($('address').value.trim())))"
	";\n"
	"$('send').addEventListener('click',run(()=>end($('signature').value.trim()))"
	");\n"
	"$('leave').addEventListener('click',run(async()=>{await ask('POST','logout')"
	";await show();}));\n"
	"$('flip').addEventListener('click',run(async()=>{\n"
	"await ask('POST','settings/approval-mode',{mode:$('mode').textContent==='aut"
	"o'?'manual':'auto'});\n"
	"await show();\n"
	"}));\n"
	"run(show)();\n";

static const char body[] =
	"<main>\n"
	"<h1>Relay administration</h1>\n"
	"<p id=\"say\" role=\"alert\"></p>\n"
	"<section id=\"in\" hidden>\n"
	"<p><button id=\"wallet\">Sign in with this browser's wallet</button></p>\n"
	"<p>Or sign elsewhere: <label>Address <input id=\"address\" size=\"44\"></label> "
	"<button id=\"ask\">Show what to sign</button></p>\n"
	"<div id=\"paste\" hidden>\n"
	"<p><label>Text to sign, as a personal message<br><textarea id=\"text\" rows=\"1"
	"2\" cols=\"70\" readonly></textarea></label></p>\n"
	"<p><label>Signature <input id=\"signature\" size=\"60\"></label> <button id=\"sen"
	"d\">Sign in</button></p>\n"
	"</div>\n"
	"</section>\n"
	"<section id=\"out\" hidden>\n"
	"<p>Signed in as <span id=\"who\"></span> <button id=\"leave\">Sign out</button><"
	"/p>\n"
	"<p>Approval: <strong id=\"mode\"></strong> <button id=\"flip\">Change</button></"
	"p>\n"
	"<table><thead><tr><th>Host</th><th>Address</th><th>From</th><th>State</th><t"
	"h></th></tr></thead>\n"
	"<tbody id=\"leases\"></tbody></table>\n"
	"</section>\n"
	"</main>\n";

#define DIGEST_TEXT BASE64_TEXT_SIZE(HASH_SHA256_BYTES)

/* As a policy names an inline element (CSP 3, 2.3.1). */
static const char *digest_print(const char *text, char to[DIGEST_TEXT])
{
	uint8_t digest[HASH_SHA256_BYTES];

	to[0] = '\0';
	if (hash_sha256(span_str(text), digest) == ERR_OK)
		base64_encode(BASE64_PADDED, span_of(digest, sizeof(digest)), to);
	return to;
}

static void admin_page(void *context, struct api_call *call)
{
	char style_digest[DIGEST_TEXT], script_digest[DIGEST_TEXT];
	struct buf page;

	(void)context;
	buf_init(&page, sizeof(style) + sizeof(script) + sizeof(body) + 512);
	buf_put_str(&page,
		"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<title>Relay administration</title>\n<style>");
	buf_put_str(&page, style);
	buf_put_str(&page, "</style>\n</head>\n<body>\n");
	buf_put_str(&page, body);
	buf_put_str(&page, "<script>");
	buf_put_str(&page, script);
	buf_put_str(&page, "</script>\n</body>\n</html>\n");
	api_add_header(call,
		"Content-Security-Policy: default-src 'none'; style-src 'sha256-%s'; "
		"script-src 'sha256-%s'; connect-src 'self'; base-uri 'none'; "
		"form-action 'none'; frame-ancestors 'none'",
		digest_print(style, style_digest), digest_print(script, script_digest));
	api_add_header(call, "Referrer-Policy: no-referrer");
	if (page.failed == ERR_OK)
		api_reply_text(call, buf_span(&page));
	else
		envelope_refuse(call, MESSAGE_INTERNAL, "no room for the page");
	buf_fini(&page);
}

static const struct api_operation rows[] = {
	{ "GET", "/admin/", &api_anyone, admin_page, .type = "text/html; charset=utf-8" },
};

const struct api_table admin_page_table = API_TABLE_OF(rows);
