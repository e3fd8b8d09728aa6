// The engine's core as WebAssembly: calls and answers are JSON, four bytes at a time (crates/playground).
interface Exports {
  call_write(word: number): void;
  call_make(length: number): number;
  answer_read(offset: number): number;
}

export interface Engine {
  call(call: unknown): unknown;
}

export async function instantiate(wasm: BufferSource): Promise<Engine> {
  const { instance } = await WebAssembly.instantiate(wasm, {});
  const { call_write, call_make, answer_read } = instance.exports as unknown as Exports;
  return {
    call(asked) {
      const bytes = new TextEncoder().encode(JSON.stringify(asked));
      const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
      padded.set(bytes);
      const words = new DataView(padded.buffer);
      for (let at = 0; at < padded.length; at += 4) call_write(words.getUint32(at, true));
      const length = call_make(bytes.length);
      const answer = new Uint8Array(Math.ceil(length / 4) * 4);
      const into = new DataView(answer.buffer);
      for (let at = 0; at < length; at += 4) into.setUint32(at, answer_read(at) >>> 0, true);
      return JSON.parse(new TextDecoder().decode(answer.subarray(0, length)));
    },
  };
}
