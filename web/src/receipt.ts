// Checks a receipt in the page, as any C2SP verifier does: the record's leaf is in the signed tree. docs/proofs.md has the
// formats. Nothing is asked of the server here.
export interface Verified {
  /** The record's place in the ledger, from 1. */
  position: number;
  size: number;
  origin: string;
  record: string;
}

export class NotVerified extends Error {}

const bytes = (base64: string): Uint8Array<ArrayBuffer> => {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    throw new NotVerified("a line is not base64");
  }
};
const utf8 = (text: string) => new TextEncoder().encode(text);
const joined = (...parts: Uint8Array[]) => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};
const sha256 = async (data: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest("SHA-256", data));
const node = (left: Uint8Array, right: Uint8Array) => sha256(joined(Uint8Array.of(1), left, right));
const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, index) => byte === b[index]);

/** The verifier key `NAME+ID+BASE64(1 ‖ public key)`. */
async function verifier(text: string) {
  const [name = "", id = ""] = text.split("+", 2);
  const key = bytes(text.slice(name.length + id.length + 2));
  if (key.length !== 33 || key[0] !== 1) throw new NotVerified("the verifier key is not Ed25519");
  const expected = (await sha256(joined(utf8(`${name}\n`), key))).slice(0, 4);
  const hex = [...expected].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== id) throw new NotVerified("the verifier key does not match its id");
  const imported = await crypto.subtle.importKey("raw", key.slice(1), "Ed25519", false, ["verify"]);
  return { name, id: expected, key: imported };
}

async function checkpoint(note: string, vkey: string) {
  const known = await verifier(vkey);
  const end = note.lastIndexOf("\n\n");
  if (end < 0) throw new NotVerified("the checkpoint is not a signed note");
  const text = note.slice(0, end + 1);
  let isSigned = false;
  for (const line of note.slice(end + 2).split("\n").filter(Boolean)) {
    const [, name, signature] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    if (!signature) throw new NotVerified("a signature line of the checkpoint is not whole");
    const whole = bytes(signature);
    if (name !== known.name || !same(whole.slice(0, 4), known.id)) continue;
    isSigned = await crypto.subtle.verify("Ed25519", known.key, whole.slice(4), utf8(text));
    if (!isSigned) throw new NotVerified("the checkpoint does not match its signature");
  }
  if (!isSigned) throw new NotVerified("the checkpoint is not signed by this key");
  const [origin = "", size = "", root = ""] = text.split("\n");
  if (origin !== known.name || !/^\d+$/.test(size)) throw new NotVerified("the checkpoint is of another log");
  return { origin, size: Number(size), root: bytes(root) };
}

/** RFC 9162, section 2.1.3.2. */
async function rootOf(leaf: Uint8Array, index: number, size: number, path: Uint8Array[]) {
  if (index >= size) throw new NotVerified("the record is past the end of the ledger");
  let [fn, sn, hash] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (sn === 0) throw new NotVerified("the proof is too long");
    if (fn % 2 === 1 || fn === sn) {
      hash = await node(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else {
      hash = await node(hash, sibling);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  if (sn !== 0) throw new NotVerified("the proof is too short");
  return hash;
}

export async function verify(receipt: string, vkey: string): Promise<Verified> {
  const end = receipt.indexOf("\n\n");
  const [title, extra = "", index = "", ...hashes] = receipt.slice(0, end).split("\n");
  if (end < 0 || title !== "c2sp.org/tlog-proof@v1" || !extra.startsWith("extra ") || !/^index \d+$/.test(index)) {
    throw new NotVerified("this is not a receipt");
  }
  const opened = bytes(extra.slice(6));
  const [salt, record] = [opened.slice(0, 32), opened.slice(32)];
  const head = await checkpoint(receipt.slice(end + 2), vkey);
  const key = await crypto.subtle.importKey("raw", salt, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const commitment = new Uint8Array(await crypto.subtle.sign("HMAC", key, record));
  const leaf = await sha256(joined(Uint8Array.of(0, 1), commitment));
  const at = Number(index.slice(6));
  const root = await rootOf(leaf, at, head.size, hashes.map(bytes));
  if (!same(root, head.root)) throw new NotVerified("the record is not the one at this position: the receipt was changed");
  return { position: at + 1, size: head.size, origin: head.origin, record: new TextDecoder().decode(record) };
}
