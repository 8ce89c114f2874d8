'use strict';

const $ = (id) => document.getElementById(id);
const say = (text) => { $('say').textContent = text; };

async function ask(method, path, body) {
	const r = await fetch('/admin/' + path, {
		method,
		credentials: 'same-origin',
		body: body ? JSON.stringify(body) : undefined,
	});
	const e = await r.json();
	if (!e.ok) throw new Error(e.error.message);
	return e.data;
}

const b64 = (text) =>
	btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

const run = (fn) => async () => {
	try {
		say('');
		await fn();
	} catch (e) {
		say(e.message || String(e));
	}
};

function button(text, fn) {
	const b = document.createElement('button');
	b.textContent = text;
	b.addEventListener('click', run(async () => {
		await fn();
		await show();
	}));
	return b;
}

async function setLimit(l, at) {
	const n = prompt('Bytes per second; 0 for no limit', String(l.BPS));
	if (n === null) return;
	if (Number(n) > 0) await ask('POST', at + 'bps', { bps: Math.floor(Number(n)) });
	else await ask('DELETE', at + 'bps');
}

function row(l) {
	const tr = document.createElement('tr');
	const cell = (text) => {
		const td = document.createElement('td');
		td.textContent = text;
		tr.append(td);
		return td;
	};
	const name = l.identity_key.slice(0, l.identity_key.lastIndexOf(':'));
	const at = 'leases/' + b64(name) + '/' + b64(l.address) + '/';
	const flip = (is, word) => () => ask(is ? 'DELETE' : 'POST', at + word);
	const states = [
		l.IsBanned && 'banned',
		l.IsDenied && 'denied',
		l.IsIPBanned && 'address banned',
		l.IsApproved ? 'approved' : 'waits',
		l.BPS ? l.BPS + ' bytes/s' : '',
	];

	cell(l.Hostname);
	cell(l.address);
	cell(l.ClientIP);
	cell(states.filter(Boolean).join(', '));
	cell('').append(
		button('Approve', () => ask('POST', at + 'approve')),
		button(l.IsDenied ? 'Do not deny' : 'Deny', flip(l.IsDenied, 'deny')),
		button(l.IsBanned ? 'Do not ban' : 'Ban', flip(l.IsBanned, 'ban')),
		button('Limit', () => setLimit(l, at)));
	return tr;
}

async function show() {
	const who = await ask('GET', 'auth/status');
	$('in').hidden = who.authenticated;
	$('out').hidden = !who.authenticated;
	if (!who.authenticated) return;
	$('who').textContent = who.wallet_address;
	const all = await ask('GET', 'snapshot');
	$('mode').textContent = all.approval_mode;
	$('leases').replaceChildren(...all.leases.map(row));
}

let challenge = null;

async function begin(address) {
	challenge = await ask('POST', 'auth/challenge', { address });
	$('text').value = challenge.siwe_message;
	$('paste').hidden = false;
}

async function end(signature) {
	await ask('POST', 'auth/login', {
		challenge_id: challenge.challenge_id,
		siwe_message: challenge.siwe_message,
		siwe_signature: signature,
	});
	$('paste').hidden = true;
	await show();
}

$('wallet').addEventListener('click', run(async () => {
	if (!window.ethereum)
		throw new Error('This browser has no wallet: paste a signature instead.');
	const [address] = await window.ethereum.request({ method: 'eth_requestAccounts' });
	await begin(address);
	const bytes = Array.from(new TextEncoder().encode(challenge.siwe_message));
	const hex = '0x' + bytes.map((b) => b.toString(16).padStart(2, '0')).join('');
	await end(await window.ethereum.request({
		method: 'personal_sign',
		params: [hex, address],
	}));
}));
$('ask').addEventListener('click', run(() => begin($('address').value.trim())));
$('send').addEventListener('click', run(() => end($('signature').value.trim())));
$('leave').addEventListener('click', run(async () => {
	await ask('POST', 'logout');
	await show();
}));
$('flip').addEventListener('click', run(async () => {
	const mode = $('mode').textContent === 'auto' ? 'manual' : 'auto';
	await ask('POST', 'settings/approval-mode', { mode });
	await show();
}));
run(show)();
