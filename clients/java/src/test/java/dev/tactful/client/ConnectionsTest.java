package dev.tactful.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Connecting again after an outage. */
class ConnectionsTest {
  @Test
  void aClientConnectsAgainOnceASecondAtMost() {
    var channel = new Counted();
    try (var connections = new Connections(List.of(channel), channel, channel)) {
      long later = System.nanoTime() + TimeUnit.SECONDS.toNanos(2);
      connections.reconnect(later);
      assertEquals(1, channel.reconnected);
      connections.reconnect(later + TimeUnit.MILLISECONDS.toNanos(900));
      assertEquals(1, channel.reconnected);
      connections.reconnect(later + TimeUnit.MILLISECONDS.toNanos(1_100));
      assertEquals(2, channel.reconnected);
    }
  }

  /** Counts how often it is told to connect. */
  private static final class Counted extends ManagedChannel {
    private int reconnected;

    @Override
    public void resetConnectBackoff() {
      reconnected++;
    }

    @Override
    public ManagedChannel shutdown() {
      return this;
    }

    @Override
    public ManagedChannel shutdownNow() {
      return this;
    }

    @Override
    public boolean isShutdown() {
      return false;
    }

    @Override
    public boolean isTerminated() {
      return false;
    }

    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) {
      return true;
    }

    @Override
    public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
      throw new UnsupportedOperationException();
    }

    @Override
    public String authority() {
      return "";
    }
  }
}
