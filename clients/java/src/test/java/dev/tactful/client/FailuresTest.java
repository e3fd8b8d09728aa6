package dev.tactful.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.util.Durations;
import com.google.rpc.Code;
import com.google.rpc.RetryInfo;
import dev.tactful.v1.ConsentSource;
import dev.tactful.v1.DecideRequest;
import dev.tactful.v1.DecideResponse;
import dev.tactful.v1.DecisionServiceGrpc;
import dev.tactful.v1.Fallback;
import dev.tactful.v1.GetCustomerRequest;
import dev.tactful.v1.JourneyServiceGrpc;
import dev.tactful.v1.LimitState;
import dev.tactful.v1.ListDecisionsRequest;
import dev.tactful.v1.Outcome;
import dev.tactful.v1.ResultCode;
import dev.tactful.v1.SilenceReason;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Servers that are late, gone or busy, and connections that are cut. */
class FailuresTest {
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  private static final Map<String, ?> CONTEXT = Map.of("topic", "speed", "activity", "browsing");
  private static final ConsentSource FORM = ConsentSource.newBuilder().setEvidence("form-1").build();
  private static TestServer server;

  @BeforeAll
  static void start() throws Exception {
    server = TestServer.start();
    // A new JVM spends much of a deadline on loading classes.
    try (TactfulClient tactful = client(server.url())) {
      tactful.ready();
    }
  }

  @AfterAll
  static void stop() throws Exception {
    server.close();
  }

  @Test
  void aDecisionWhoseAnswerWasLostIsAskedForAgainAndCountsOnce() throws Exception {
    try (Proxy proxy = Proxy.before(server);
        TactfulClient tactful = client(proxy.url())) {
      tactful.ready();
      proxy.loseNextAnswer();
      Decision decision = tactful.decide("rita", "web", CONTEXT);
      assertTrue(proxy.lost());
      assertEquals(2, proxy.connections());
      assertFalse(decision.isLocal());
      assertEquals("speed-test", decision.action().orElseThrow().getActionId());
      var ofRita = ListDecisionsRequest.newBuilder().setCustomerId("rita").build();
      var past = DecisionServiceGrpc.newBlockingStub(tactful.channel()).listDecisions(ofRita);
      assertEquals(List.of(decision.id()), past.getDecisionsList().stream().map(one -> one.getDecision().getDecisionId()).toList());
      var rita = GetCustomerRequest.newBuilder().setCustomerId("rita").build();
      var limits = JourneyServiceGrpc.newBlockingStub(tactful.channel()).getCustomer(rita).getLimitsList();
      var tests = limits.stream().filter(limit -> limit.getLimit().startsWith("speed-test"));
      assertEquals(List.of(1), tests.map(LimitState::getUsed).toList());
    }
  }

  @Test
  void anOutcomeAnEventAndAConsentWhoseAnswersWereLostCountOnce() throws Exception {
    try (Proxy proxy = Proxy.before(server);
        TactfulClient tactful = client(proxy.url())) {
      Decision decision = tactful.decide("otto", "web", CONTEXT);
      proxy.loseNextAnswer();
      assertEquals(ResultCode.RESULT_CODE_REPEATED, tactful.recordOutcome(decision, Outcome.OUTCOME_CLICKED).getCode());
      proxy.loseNextAnswer();
      assertTrue(tactful.giveConsent("otto", "personalisation", FORM).getUsable());
      proxy.loseNextAnswer();
      assertEquals(ResultCode.RESULT_CODE_REPEATED, tactful.recordEvent("otto", "page_view", Map.of("page", "fibre")).getCode());
      proxy.loseNextAnswer();
      assertFalse(tactful.withdrawConsent("otto", "personalisation").get(0).getUsable());
      assertTrue(proxy.lost());
    }
  }

  @Test
  void aServerThatDoesNotAnswerInTimeGivesSilence() throws Exception {
    try (Proxy mute = Proxy.mute();
        TactfulClient tactful = TactfulClient.builder(mute.url()).decideTimeout(Duration.ofMillis(50)).build()) {
      Decision decision = tactful.decide("anna", "web", CONTEXT);
      assertTrue(decision.isLocal());
      assertEquals(List.of(), decision.actions());
      assertEquals("", decision.id());
      assertEquals(SilenceReason.SILENCE_REASON_TOO_LATE, decision.silence().orElseThrow().getReason());
      assertEquals("the server did not answer in 50 ms", decision.silence().orElseThrow().getDetail());
      assertEquals(Status.Code.DEADLINE_EXCEEDED, decision.failure().orElseThrow().code());
      assertThrows(IllegalArgumentException.class, () -> tactful.recordOutcome(decision, Outcome.OUTCOME_PRESENTED));
      var strict = DecideRequest.newBuilder().setCustomerId("anna").setChannel("web").setFallback(Fallback.FALLBACK_ERROR).build();
      assertEquals(Status.Code.DEADLINE_EXCEEDED, assertThrows(TactfulException.class, () -> tactful.decide(strict)).code());
    }
  }

  @Test
  void aServerThatCannotBeReachedGivesSilence() throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    try (TactfulClient tactful = TactfulClient.connect("http://127.0.0.1:" + port)) {
      Decision decision = tactful.withTimeout(Duration.ofSeconds(1)).decide("anna", "web", CONTEXT);
      assertTrue(decision.isLocal());
      assertEquals(SilenceReason.SILENCE_REASON_UNAVAILABLE, decision.silence().orElseThrow().getReason());
      assertTrue(decision.silence().orElseThrow().getDetail().contains("Connection refused"), decision.toString());
      var unreachable = assertThrows(TactfulException.class, tactful.withTimeout(Duration.ofSeconds(1))::ready);
      assertEquals(Status.Code.UNAVAILABLE, unreachable.code());
    }
  }

  @Test
  void aCallIsRepeatedWhenTheServerWantsItAndNotBefore() throws Exception {
    long wanted = TimeUnit.MILLISECONDS.toNanos(100);
    var later = RetryInfo.newBuilder().setRetryDelay(Durations.fromNanos(wanted)).build();
    var refused = com.google.rpc.Status.newBuilder().setCode(Code.RESOURCE_EXHAUSTED_VALUE).addDetails(Any.pack(later)).build();
    List<Long> asked = new ArrayList<>();
    var busy =
        new DecisionServiceGrpc.DecisionServiceImplBase() {
          @Override
          public void decide(DecideRequest request, StreamObserver<DecideResponse> answer) {
            asked.add(System.nanoTime());
            if (System.nanoTime() - asked.get(0) >= wanted) {
              answer.onNext(DecideResponse.newBuilder().setDecisionId("d-1").build());
              answer.onCompleted();
            } else {
              answer.onError(StatusProto.toStatusRuntimeException(refused));
            }
          }
        };
    String name = InProcessServerBuilder.generateName();
    var inProcess = InProcessServerBuilder.forName(name).directExecutor().addService(busy).build().start();
    var channel = InProcessChannelBuilder.forName(name).directExecutor().build();
    TactfulClient tactful = TactfulClient.over(channel);
    assertEquals("d-1", tactful.withTimeout(PATIENCE).decide("anna", "web", CONTEXT).id());
    assertEquals(2, asked.size());
    asked.clear();
    Decision silent = tactful.withTimeout(Duration.ofMillis(90)).decide("anna", "web", CONTEXT);
    assertEquals(SilenceReason.SILENCE_REASON_OVERLOADED, silent.silence().orElseThrow().getReason());
    assertTrue(silent.silence().orElseThrow().hasRetryAfter());
    assertEquals(1, asked.size());
    channel.shutdownNow();
    inProcess.shutdownNow();
  }

  @Test
  void withdrawalsHaveAConnectionOfTheirOwn() throws Exception {
    try (Proxy proxy = Proxy.before(server);
        TactfulClient tactful = client(proxy.url())) {
      tactful.getConsent("wanda");
      tactful.giveConsent("wanda", "personalisation", FORM);
      assertEquals(1, proxy.connections());
      tactful.withdrawConsent("wanda");
      assertEquals(2, proxy.connections());
    }
  }

  @Test
  void aWrongRequestIsAnExceptionAndIsNotRepeated() throws Exception {
    try (TactfulClient tactful = client(server.url())) {
      var wrong = assertThrows(TactfulException.class, () -> tactful.decide("anna", "fax", Map.of()));
      assertEquals(Status.Code.INVALID_ARGUMENT, wrong.code());
      assertEquals("UNKNOWN_CHANNEL", wrong.reason());
      assertEquals(Set.of("channel"), wrong.fields().keySet());
      assertThrows(IllegalArgumentException.class, () -> tactful.decide("anna", "web", Map.of("topic", new Object())));
      var misspelt = assertThrows(TactfulException.class, () -> tactful.recordEvent("anna", "page_vew", Map.of()));
      assertEquals("UNKNOWN_NAME", misspelt.reason());
      var undeclared = assertThrows(TactfulException.class, () -> tactful.withdrawConsent("anna", "personalization"));
      assertEquals(Status.Code.INVALID_ARGUMENT, undeclared.code());
    }
  }

  @Test
  void whatTheCustomerHasNotAllowedIsAnAnswer() throws Exception {
    try (TactfulClient tactful = client(server.url())) {
      var event = tactful.recordEvent("nora", "page_view", Map.of("page", "fibre"));
      assertFalse(event.getAccepted());
      assertEquals(ResultCode.RESULT_CODE_NO_LAWFUL_PURPOSE, event.getCode());
      assertEquals(List.of("customer.age"), tactful.setAttributes("nora", Map.of("customer.age", 34)));
    }
  }

  @Test
  void aCallerMayGiveUp() throws Exception {
    try (Proxy mute = Proxy.mute();
        TactfulClient tactful = client(mute.url())) {
      Thread.currentThread().interrupt();
      var interrupted = assertThrows(TactfulException.class, () -> tactful.decide("anna", "web", CONTEXT));
      assertEquals(Status.Code.CANCELLED, interrupted.code());
      assertTrue(Thread.interrupted());
      assertInstanceOf(InterruptedException.class, rootCause(interrupted));
    }
  }

  private static Throwable rootCause(Throwable thrown) {
    return thrown.getCause() == null ? thrown : rootCause(thrown.getCause());
  }

  private static TactfulClient client(String url) {
    return TactfulClient.builder(url).decideTimeout(PATIENCE).timeout(PATIENCE).build();
  }
}
