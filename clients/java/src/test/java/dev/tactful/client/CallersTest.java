package dev.tactful.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tactful.v1.ConsentSource;
import dev.tactful.v1.GetCustomerRequest;
import dev.tactful.v1.JourneyServiceGrpc;
import dev.tactful.v1.SetAttributesRequest;
import dev.tactful.v1.SilenceReason;
import dev.tactful.v1.Value;
import io.grpc.Status;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tokens, TLS, and facts of every type. */
class CallersTest {
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  @TempDir static Path folder;
  private static TestServer server;
  private static String token;
  private static Path ca;

  @BeforeAll
  static void start() throws Exception {
    ca = folder.resolve("cert.pem");
    String key = folder.resolve("key.pem").toString();
    TestServer.run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=tactful",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", ca.toString());
    String tokens = folder.resolve("tokens.toml").toString();
    String made =
        TestServer.run(
            "tactful", "token", "new", "--tokens", tokens, "--name", "shop", "--scope", "decide", "--scope", "events",
            "--scope", "consent", "--scope", "withdraw", "--scope", "read");
    Matcher found = Pattern.compile("tct_\\S+").matcher(made);
    assertTrue(found.find());
    token = found.group();
    server = TestServer.start("--tls-cert", ca.toString(), "--tls-key", key, "--tokens", tokens);
  }

  @AfterAll
  static void stop() throws Exception {
    server.close();
  }

  @Test
  void aTokenAndTls() {
    try (TactfulClient tactful = client().token(token).build()) {
      assertEquals("shop", tactful.ready().getName());
      assertFalse(tactful.decide("anna", "web", Map.of("topic", "speed")).isLocal());
      tactful.giveConsent("anna", "personalisation", ConsentSource.newBuilder().setEvidence("form-1").build());
      assertEquals("withdrawn", tactful.withdrawConsent("anna", "personalisation").get(0).getDeniedBecause());
    }
  }

  @Test
  void aTokenThatChangesIsAskedForWithEachCall() {
    Iterator<String> tokens = List.of("tct_wrong", token).iterator();
    try (TactfulClient tactful = client().token(tokens::next).build()) {
      assertEquals("TOKEN_INVALID", assertThrows(TactfulException.class, tactful::ready).reason());
      assertEquals("shop", tactful.ready().getName());
    }
  }

  @Test
  void aWrongCallerIsAnExceptionAndACertificateThatIsNotTrustedGivesSilence() {
    try (TactfulClient unknown = client().build()) {
      var refused = assertThrows(TactfulException.class, () -> unknown.decide("anna", "web", Map.of()));
      assertEquals(Status.Code.UNAUTHENTICATED, refused.code());
      assertEquals("TOKEN_MISSING", refused.reason());
    }
    try (TactfulClient distrustful = TactfulClient.builder(server.url()).token(token).decideTimeout(Duration.ofSeconds(2)).build()) {
      Decision decision = distrustful.decide("anna", "web", Map.of());
      assertEquals(SilenceReason.SILENCE_REASON_UNAVAILABLE, decision.silence().orElseThrow().getReason());
      assertTrue(decision.silence().orElseThrow().getDetail().contains("certification path"), decision.toString());
    }
  }

  @Test
  void headersAreSent() {
    try (TactfulClient tactful = client().build()) {
      assertEquals("shop", tactful.withHeader("authorization", "Bearer " + token).ready().getName());
    }
  }

  @Test
  void factsOfEveryType() {
    try (TactfulClient tactful = client().token(token).build()) {
      tactful.giveConsent("tess", "personalisation", ConsentSource.newBuilder().setEvidence("form-2").build());
      tactful.setAttributes("tess", Map.of("customer.contract", "dsl", "customer.age", 34));
      assertEquals(34, known(tactful).get("customer.age").getNumber());
      tactful.setAttributes("tess", Collections.singletonMap("customer.age", null));
      assertEquals(List.of("customer.contract"), List.copyOf(known(tactful).keySet()));
      tactful.setAttributes(SetAttributesRequest.newBuilder().setCustomerId("tess").setTimeZone("Europe/Vienna").build());
      Map<String, Object> sent =
          Map.of("a flag", true, "a moment", Instant.EPOCH, "a duration", Duration.ofSeconds(90), "a list", List.of("a", "b"));
      sent.forEach((type, fact) -> {
        var wrong = assertThrows(TactfulException.class, () -> tactful.setAttributes("tess", Map.of("customer.age", fact)));
        assertTrue(wrong.getMessage().contains(type), wrong.getMessage());
      });
    }
  }

  @Test
  void durationsHaveOneSign() {
    var span = Facts.of(Duration.ofMillis(-1_500)).getSpan();
    assertEquals(-1, span.getSeconds());
    assertEquals(-500_000_000, span.getNanos());
  }

  @Test
  void anAddressHasAScheme() {
    assertThrows(IllegalArgumentException.class, () -> TactfulClient.connect("127.0.0.1:50051"));
    assertThrows(IllegalArgumentException.class, () -> TactfulClient.connect("localhost:50051"));
  }

  private static Map<String, Value> known(TactfulClient tactful) {
    var request = GetCustomerRequest.newBuilder().setCustomerId("tess").build();
    return JourneyServiceGrpc.newBlockingStub(tactful.channel()).getCustomer(request).getAttributesMap();
  }

  private static TactfulClientBuilder client() {
    return TactfulClient.builder(server.url()).ca(ca).decideTimeout(PATIENCE).timeout(PATIENCE);
  }
}
