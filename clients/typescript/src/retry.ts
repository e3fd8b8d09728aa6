// Repeats calls that were cut off or refused for now.
import { Code } from "@connectrpc/connect";
import { TactfulError } from "./errors.js";

const FIRST_DELAY_MS = 25;
const LONGEST_DELAY_MS = 1_000;

/**
 * Makes a call until it succeeds, fails for good, or the time is up. Every attempt has to have the same id, so that the
 * server counts it once.
 *
 * @throws TactfulError, or the reason of the signal
 */
export async function repeated<T>(call: (timeoutMs: number) => Promise<T>, timeoutMs: number, signal?: AbortSignal): Promise<T> {
  const end = performance.now() + timeoutMs;
  let before: TactfulError | undefined;
  for (let attempt = 0; ; attempt++) {
    try {
      return await call(Math.max(1, Math.ceil(end - performance.now())));
    } catch (caught) {
      signal?.throwIfAborted();
      const error = TactfulError.from(caught);
      // Why the time went by says more than that it did.
      if (error.code === Code.DeadlineExceeded) throw before ?? error;
      before = error;
      const delay = error.retryDelayMs ?? backoff(attempt);
      if (!error.isRetryable || performance.now() + delay >= end) throw error;
      await pause(delay, signal);
    }
  }
}

/** Exponential, with full jitter. */
function backoff(attempt: number): number {
  return Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    const timer = setTimeout(finish, ms);
    signal?.addEventListener("abort", finish);
    function finish() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      if (signal?.aborted) failed(signal.reason);
      else done();
    }
  });
}
