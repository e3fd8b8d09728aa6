package dev.tactful.client;

import dev.tactful.v1.DecideRequest;
import dev.tactful.v1.DecideResponse;
import dev.tactful.v1.NextAction;
import dev.tactful.v1.Silence;
import dev.tactful.v1.SilenceReason;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** The answer to a question: steps, or silence. */
public final class Decision {
  private final DecideRequest request;
  private final DecideResponse response;
  private final TactfulException failure;

  private Decision(DecideRequest request, DecideResponse response, TactfulException failure) {
    this.request = request;
    this.response = response;
    this.failure = failure;
  }

  static Decision of(DecideRequest request, DecideResponse response) {
    return new Decision(request, response, null);
  }

  /** The answer that needs no server. */
  static Decision silent(DecideRequest request, TactfulException failure, Duration timeout) {
    Silence.Builder silence = Silence.newBuilder();
    switch (failure.code()) {
      case DEADLINE_EXCEEDED ->
          silence
              .setReason(SilenceReason.SILENCE_REASON_TOO_LATE)
              .setDetail("the server did not answer in " + timeout.toMillis() + " ms");
      case RESOURCE_EXHAUSTED ->
          silence
              .setReason(SilenceReason.SILENCE_REASON_OVERLOADED)
              .setDetail("the server is too busy: " + failure.getMessage());
      default ->
          silence
              .setReason(SilenceReason.SILENCE_REASON_UNAVAILABLE)
              .setDetail("the server cannot answer: " + failure.getMessage());
    }
    failure.retryDelay().map(Instant.now()::plus).map(Facts::timestamp).ifPresent(silence::setRetryAfter);
    return new Decision(request, DecideResponse.newBuilder().setSilence(silence).build(), failure);
  }

  /**
   * The decision's id, for outcomes; empty if nothing was recorded.
   *
   * @return the id
   */
  public String id() {
    return response.getDecisionId();
  }

  /**
   * The customer who was asked about.
   *
   * @return the customer's id
   */
  public String customerId() {
    return request.getCustomerId();
  }

  /**
   * The id of the question. The same id returns the same decision.
   *
   * @return the id
   */
  public String requestId() {
    return request.getRequestId();
  }

  /**
   * The steps, best first.
   *
   * @return the steps, none for a silence
   */
  public List<NextAction> actions() {
    return response.getActionsList();
  }

  /**
   * The best step.
   *
   * @return the step, empty for a silence
   */
  public Optional<NextAction> action() {
    return actions().stream().findFirst();
  }

  /**
   * Why nothing is said.
   *
   * @return the silence, empty if there is a step
   */
  public Optional<Silence> silence() {
    return response.hasSilence() ? Optional.of(response.getSilence()) : Optional.empty();
  }

  /**
   * Whether this client answers, with silence, because the server did not. Nothing was decided or counted then.
   *
   * @return whether the server was not heard
   */
  public boolean isLocal() {
    return failure != null;
  }

  /**
   * Why the server did not answer.
   *
   * @return the failure, only of a local silence
   */
  public Optional<TactfulException> failure() {
    return Optional.ofNullable(failure);
  }

  /**
   * The whole answer.
   *
   * @return the message of the protocol
   */
  public DecideResponse response() {
    return response;
  }

  @Override
  public String toString() {
    String said = action().map(NextAction::getActionId).orElseGet(() -> "silence: " + response.getSilence().getDetail());
    return "Decision[" + customerId() + ", " + said + "]";
  }
}
