// A call as part of a page: asked when its key changes, cancelled when the page goes.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { failure, isAbort, needsToken, type Failure } from "./api";

export interface Called<T> {
  value: T | undefined;
  failed: Failure | undefined;
  busy: boolean;
  again: () => void;
}

/** Called when a call needs a token; set by the page. */
export const refusals = { tokenNeeded: (_: Failure) => {} };

/** Asks whenever `key` changes; an empty key does not ask. */
export function useCall<T>(key: string, call: (signal: AbortSignal) => Promise<T>): Called<T> {
  const [state, setState] = useState<{ key: string; value?: T; failed?: Failure; busy: boolean }>({ key: "", busy: false });
  const [round, setRound] = useState(0);
  const latest = useRef(call);
  latest.current = call;
  useEffect(() => {
    if (!key) {
      setState({ key, busy: false });
      return;
    }
    const stop = new AbortController();
    setState((before) => ({ key, value: before.key === key ? before.value : undefined, busy: true }));
    latest.current(stop.signal).then(
      (value) => {
        if (!stop.signal.aborted) setState({ key, value, busy: false });
      },
      (error: unknown) => {
        if (stop.signal.aborted || isAbort(error)) return;
        const failed = failure(error);
        if (needsToken(failed)) refusals.tokenNeeded(failed);
        setState({ key, failed, busy: false });
      },
    );
    return () => stop.abort();
  }, [key, round]);
  const again = useCallback(() => setRound((round) => round + 1), []);
  const current = state.key === key;
  return { value: current ? state.value : undefined, failed: current ? state.failed : undefined, busy: state.busy || (!current && key !== ""), again };
}
