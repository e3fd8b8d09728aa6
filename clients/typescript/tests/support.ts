// A server of its own for each test file, and proxies that lose answers.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as dial, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../../..");
const BINARY = process.env["TACTFUL"] ?? join(ROOT, "target/debug/tactful");
export const SCENARIO = join(ROOT, "examples/scenario/scenario.json");

/** Time enough for a busy machine, where an answer is expected. */
export const PATIENCE = { decideTimeoutMs: 20_000, timeoutMs: 20_000 };

/** What can be taken apart at the end: a test, or a file of tests. */
interface Scope {
  after(end: () => void | Promise<void>): void;
}

export interface Server {
  /** HOST:PORT. */
  readonly address: string;
  readonly url: string;
}

/** A folder that goes at the end. */
export function folder(scope: Scope): string {
  const path = mkdtempSync(join(tmpdir(), "tactful-client-"));
  scope.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A server with the sample rules and no customers. */
export async function startServer(scope: Scope, ...flags: string[]): Promise<Server> {
  const data = mkdtempSync(join(tmpdir(), "tactful-client-"));
  const rules = ["--rules", join(ROOT, "rules"), "--skip-tests"];
  const child = spawn(BINARY, ["serve", "--listen", "127.0.0.1:0", "--data", join(data, "data"), ...rules, ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  scope.after(async () => {
    await stopped(child);
    rmSync(data, { recursive: true, force: true });
  });
  const address = await listening(child);
  return { address, url: `${flags.includes("--tls-cert") ? "https" : "http"}://${address}` };
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    let said = "";
    const hear = (chunk: Buffer) => {
      said += String(chunk);
      const address = /^listening +(\S+)/m.exec(said)?.[1];
      if (address) found(address);
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.on("error", failed);
    child.on("exit", (code) => failed(new Error(`the server ended with ${code}:\n${said}`)));
  });
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill();
  await ended;
}

/** A command of the server's binary, and what it prints. */
export async function run(command: string, ...args: string[]): Promise<string> {
  const child = spawn(command === "tactful" ? BINARY : command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += String(chunk)));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${said}`);
  return said;
}

export interface Proxy {
  readonly url: string;
  /** How many connections it has had. */
  connections: number;
  /** Loses the next answer: the server has got the request, and the connection is cut instead of the answer. */
  loseNextAnswer: boolean;
}

/** A proxy before a server, which forwards everything until it is told to lose an answer. */
export async function startProxy(scope: Scope, server: Server): Promise<Proxy> {
  const [host, port] = server.address.split(":");
  const sockets = new Set<Socket>();
  const listener = createServer((near) => {
    proxy.connections++;
    const far = dial(Number(port), host);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => (near.destroy(), far.destroy()));
    }
    near.pipe(far);
    const answers = answerWatch();
    far.on("data", (chunk: Buffer) => {
      if (answers(chunk) && proxy.loseNextAnswer) {
        proxy.loseNextAnswer = false;
        near.destroy();
      } else {
        near.write(chunk);
      }
    });
  });
  const url = await listen(scope, listener, sockets);
  const proxy: Proxy = { url, connections: 0, loseNextAnswer: false };
  return proxy;
}

/** Whether a chunk of HTTP/2 has the beginning of an answer: a frame of the type HEADERS. */
function answerWatch(): (chunk: Buffer) => boolean {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    let found = false;
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      found ||= rest[3] === 1;
      rest = rest.subarray(9 + rest.readUIntBE(0, 3));
    }
    return found;
  };
}

/** An address where connections are accepted and nothing is ever answered. */
export function startMute(scope: Scope): Promise<string> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
  });
  return listen(scope, listener, sockets);
}

/** An address where no one listens. */
export async function closedPort(): Promise<string> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, "close");
  return `http://127.0.0.1:${port}`;
}

async function listen(scope: Scope, listener: ReturnType<typeof createServer>, sockets: Set<Socket>): Promise<string> {
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  scope.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
}
