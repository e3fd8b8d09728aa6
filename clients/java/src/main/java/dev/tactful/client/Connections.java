package dev.tactful.client;

import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/** The connections of a client: one for withdrawals, which a busy server reads first, and one for all other calls. */
final class Connections implements AutoCloseable {
  private static final long KEEP_ALIVE_SECONDS = 30;
  private static final long KEEP_ALIVE_TIMEOUT_SECONDS = 5;
  private static final long RECONNECT_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final List<ManagedChannel> own;
  private final Channel calls;
  private final Channel withdrawals;
  private final AtomicLong reconnected = new AtomicLong(System.nanoTime());

  Connections(List<ManagedChannel> own, Channel calls, Channel withdrawals) {
    this.own = own;
    this.calls = calls;
    this.withdrawals = withdrawals;
  }

  static Connections to(String target, ChannelCredentials credentials, Supplier<String> token) {
    ManagedChannel calls = channel(target, credentials);
    ManagedChannel withdrawals = channel(target, credentials);
    ClientInterceptor authorization = new Authorization(token);
    return new Connections(
        List.of(calls, withdrawals),
        ClientInterceptors.intercept(calls, authorization),
        ClientInterceptors.intercept(withdrawals, authorization));
  }

  /** Over a channel that another opens and closes. */
  static Connections over(Channel channel) {
    return new Connections(List.of(), channel, channel);
  }

  Channel calls() {
    return calls;
  }

  Channel withdrawals() {
    return withdrawals;
  }

  /**
   * Connects again now, if the last time is a second ago: gRPC by itself waits for up to two minutes after failed attempts, and
   * every decision would be silence until then.
   *
   * @param now by the clock of {@link System#nanoTime}
   */
  void reconnect(long now) {
    long last = reconnected.get();
    if (now - last > RECONNECT_NANOS && reconnected.compareAndSet(last, now)) {
      own.forEach(ManagedChannel::resetConnectBackoff);
    }
  }

  @Override
  public void close() {
    own.forEach(ManagedChannel::shutdownNow);
  }

  private static ManagedChannel channel(String target, ChannelCredentials credentials) {
    return Grpc.newChannelBuilder(target, credentials)
        .keepAliveTime(KEEP_ALIVE_SECONDS, TimeUnit.SECONDS)
        .keepAliveTimeout(KEEP_ALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
        .build();
  }

  /** Sends the token with each call. */
  private static final class Authorization extends CallCredentials implements ClientInterceptor {
    private static final Metadata.Key<String> HEADER = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private final Supplier<String> token;

    Authorization(Supplier<String> token) {
      this.token = token;
    }

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      return next.newCall(method, token == null ? options : options.withCallCredentials(this));
    }

    @Override
    public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
      executor.execute(
          () -> {
            try {
              Metadata headers = new Metadata();
              headers.put(HEADER, "Bearer " + token.get());
              applier.apply(headers);
            } catch (RuntimeException e) {
              applier.fail(Status.UNAVAILABLE.withDescription("there is no token").withCause(e));
            }
          });
    }
  }
}
