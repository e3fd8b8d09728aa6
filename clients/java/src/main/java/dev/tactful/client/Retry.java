package dev.tactful.client;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.LongFunction;

/** Repeats calls that were cut off or refused for now. */
final class Retry {
  private static final long FIRST_DELAY = TimeUnit.MILLISECONDS.toNanos(25);
  private static final long LONGEST_DELAY = TimeUnit.SECONDS.toNanos(1);

  private Retry() {}

  /**
   * Makes a call until it succeeds, fails for good, or the time is up. Every attempt has to have the same id, so that the
   * server counts it once.
   *
   * @param timeout how long all attempts may take
   * @param call makes the call, given the nanoseconds that are left
   * @throws TactfulException when the call failed for good
   */
  static <T> T repeated(Duration timeout, LongFunction<T> call) {
    long end = System.nanoTime() + timeout.toNanos();
    TactfulException before = null;
    for (int attempt = 0; ; attempt++) {
      TactfulException failure = null;
      try {
        return call.apply(Math.max(1, end - System.nanoTime()));
      } catch (StatusRuntimeException e) {
        failure = TactfulException.from(e);
      } catch (TactfulException e) {
        failure = e;
      }
      // Why the time went by says more than that it did.
      if (failure.code() == Status.Code.DEADLINE_EXCEEDED && before != null) throw before;
      before = failure;
      long delay = failure.retryDelay().map(Duration::toNanos).orElse(backoff(attempt));
      if (!failure.isRetryable() || System.nanoTime() + delay - end >= 0) throw failure;
      pause(delay);
    }
  }

  /** Exponential, with full jitter. */
  private static long backoff(int attempt) {
    long most = Math.min(LONGEST_DELAY, FIRST_DELAY << Math.min(attempt, 10));
    return ThreadLocalRandom.current().nextLong(most);
  }

  private static void pause(long nanos) {
    try {
      TimeUnit.NANOSECONDS.sleep(nanos);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw TactfulException.interrupted(e);
    }
  }
}
