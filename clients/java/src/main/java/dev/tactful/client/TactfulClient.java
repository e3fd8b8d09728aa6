package dev.tactful.client;

import dev.tactful.v1.CallerServiceGrpc;
import dev.tactful.v1.ConsentChange;
import dev.tactful.v1.ConsentResult;
import dev.tactful.v1.ConsentServiceGrpc;
import dev.tactful.v1.ConsentSource;
import dev.tactful.v1.ConsentStatus;
import dev.tactful.v1.DecideRequest;
import dev.tactful.v1.DecisionServiceGrpc;
import dev.tactful.v1.Event;
import dev.tactful.v1.Fallback;
import dev.tactful.v1.GetCallerRequest;
import dev.tactful.v1.GetCallerResponse;
import dev.tactful.v1.GetConsentRequest;
import dev.tactful.v1.JourneyServiceGrpc;
import dev.tactful.v1.NextAction;
import dev.tactful.v1.Outcome;
import dev.tactful.v1.OutcomeRecord;
import dev.tactful.v1.RecordConsentRequest;
import dev.tactful.v1.RecordEventsRequest;
import dev.tactful.v1.RecordOutcomesRequest;
import dev.tactful.v1.RecordResult;
import dev.tactful.v1.SetAttributesRequest;
import dev.tactful.v1.SetAttributesResponse;
import dev.tactful.v1.Standing;
import dev.tactful.v1.WithdrawConsentRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * A client of one server. It is safe for use by many threads, and one is enough for a program.
 *
 * <p>All calls block, until their time is up at the latest, and may be interrupted; retries are part of that time. Each call has
 * an id, given by the caller or else at random, which is the same in all its attempts: it counts once.
 */
public final class TactfulClient implements AutoCloseable {
  static final Duration DECIDE_TIMEOUT = Duration.ofMillis(300);
  static final Duration TIMEOUT = Duration.ofSeconds(5);

  private final Connections connections;
  private final Channel calls;
  private final Channel withdrawals;
  private final Duration decideTimeout;
  private final Duration timeout;

  TactfulClient(Connections connections, Duration decideTimeout, Duration timeout) {
    this(connections, connections.calls(), connections.withdrawals(), decideTimeout, timeout);
  }

  private TactfulClient(Connections connections, Channel calls, Channel withdrawals, Duration decideTimeout, Duration timeout) {
    this.connections = connections;
    this.calls = calls;
    this.withdrawals = withdrawals;
    this.decideTimeout = decideTimeout;
    this.timeout = timeout;
  }

  /**
   * A client without a token, which trusts well-known authorities.
   *
   * @param url the server's address, such as {@code http://127.0.0.1:50051}
   * @return the client; it connects with its first call
   */
  public static TactfulClient connect(String url) {
    return builder(url).build();
  }

  /**
   * A client with a token, certificates or other timeouts.
   *
   * @param url the server's address, such as {@code https://tactful.example:50051}
   * @return its builder
   */
  public static TactfulClientBuilder builder(String url) {
    return new TactfulClientBuilder(url);
  }

  /**
   * A client over a channel of your own, which you close; for tests, or for a channel with other settings.
   *
   * @param channel the channel
   * @return the client
   */
  public static TactfulClient over(Channel channel) {
    return new TactfulClient(Connections.over(channel), DECIDE_TIMEOUT, TIMEOUT);
  }

  /**
   * The same client, over the same connections, with another time for each call, {@code decide} included.
   *
   * @param timeout how long a call may take, retries included
   * @return the client
   */
  public TactfulClient withTimeout(Duration timeout) {
    return new TactfulClient(connections, calls, withdrawals, timeout, timeout);
  }

  /**
   * The same client, over the same connections, with a header on each call, such as {@code sec-gpc} of a visitor's request.
   *
   * @param name the header
   * @param value its value
   * @return the client
   */
  public TactfulClient withHeader(String name, String value) {
    Metadata headers = new Metadata();
    headers.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value);
    var interceptor = MetadataUtils.newAttachHeadersInterceptor(headers);
    Channel headed = ClientInterceptors.intercept(calls, interceptor);
    return new TactfulClient(connections, headed, ClientInterceptors.intercept(withdrawals, interceptor), decideTimeout, timeout);
  }

  /**
   * The best next step now, or silence. See {@link #decide(DecideRequest)}.
   *
   * @param customerId the customer
   * @param channel where the conversation is: a channel of the rules
   * @param context facts of this moment, see {@link Facts#of(Object)}
   * @return the decision
   */
  public Decision decide(String customerId, String channel, Map<String, ?> context) {
    return decide(DecideRequest.newBuilder().setCustomerId(customerId).setChannel(channel).putAllContext(Facts.of(context)).build());
  }

  /**
   * The best next step now, or silence. It counts as a contact.
   *
   * <p>If the server is late or cannot be reached, the answer is a silence that {@linkplain Decision#isLocal() is local}, unless
   * the request's {@code fallback} is {@code FALLBACK_ERROR}.
   *
   * @param question the question; a missing {@code request_id} is added
   * @return the decision
   * @throws TactfulException if the request is wrong or the caller may not make it
   */
  public Decision decide(DecideRequest question) {
    DecideRequest request = question.getRequestId().isEmpty() ? question.toBuilder().setRequestId(randomId()).build() : question;
    try {
      return call(calls, decideTimeout, DecisionServiceGrpc.getDecideMethod(), request, answer -> Decision.of(request, answer));
    } catch (TactfulException failure) {
      if (!failure.isOutage() || request.getFallback() == Fallback.FALLBACK_ERROR) throw failure;
      return Decision.silent(request, failure, decideTimeout);
    }
  }

  /**
   * Records what became of the only step of a decision.
   *
   * @param decision the decision
   * @param outcome the outcome
   * @return the result
   * @throws IllegalArgumentException if the decision has no step, or several
   * @throws TactfulException if it is refused
   */
  public RecordResult recordOutcome(Decision decision, Outcome outcome) {
    if (decision.actions().size() != 1) {
      throw new IllegalArgumentException("the decision has " + decision.actions().size() + " steps, not one");
    }
    return recordOutcome(decision, decision.actions().get(0), outcome);
  }

  /**
   * Records what became of a step. Each outcome of a step counts once.
   *
   * @param decision the decision
   * @param action its step
   * @param outcome the outcome
   * @return the result
   * @throws IllegalArgumentException if the decision has no id
   * @throws TactfulException if it is refused
   */
  public RecordResult recordOutcome(Decision decision, NextAction action, Outcome outcome) {
    if (decision.id().isEmpty()) throw new IllegalArgumentException("the decision has no id: nothing was recorded of it");
    return recordOutcome(
        OutcomeRecord.newBuilder()
            .setCustomerId(decision.customerId())
            .setDecisionId(decision.id())
            .setActionId(action.getActionId())
            .setOutcome(outcome)
            .build());
  }

  /**
   * Records an outcome, of a decision of which the ids were kept, or of a contact that another system made.
   *
   * @param outcome the outcome; a missing {@code outcome_id} is added
   * @return the result
   * @throws TactfulException if it is refused
   */
  public RecordResult recordOutcome(OutcomeRecord outcome) {
    OutcomeRecord item = outcome.getOutcomeId().isEmpty() ? outcome.toBuilder().setOutcomeId(idOf(outcome)).build() : outcome;
    var request = RecordOutcomesRequest.newBuilder().addOutcomes(item).build();
    return call(DecisionServiceGrpc.getRecordOutcomesMethod(), request, answer -> recorded(answer.getResultsList()));
  }

  /**
   * Records what a customer did. See {@link #recordEvent(Event)}.
   *
   * @param customerId the customer
   * @param type what happened: an event of the rules, such as {@code page_view}
   * @param fields details, by the names declared for the event
   * @return the result
   */
  public RecordResult recordEvent(String customerId, String type, Map<String, ?> fields) {
    return recordEvent(Event.newBuilder().setCustomerId(customerId).setType(type).putAllFields(Facts.of(fields)).build());
  }

  /**
   * Records what a customer did. If the customer has allowed no purpose of the event, it is not stored, and the result is not
   * accepted.
   *
   * @param event the event; a missing {@code event_id} is added
   * @return the result
   * @throws TactfulException if the event is wrong
   */
  public RecordResult recordEvent(Event event) {
    Event item = event.getEventId().isEmpty() ? event.toBuilder().setEventId(randomId()).build() : event;
    var request = RecordEventsRequest.newBuilder().addEvents(item).build();
    return call(JourneyServiceGrpc.getRecordEventsMethod(), request, answer -> recorded(answer.getResultsList()));
  }

  /**
   * Sets what is known about a customer; other attributes stay as they are.
   *
   * @param customerId the customer
   * @param attributes attributes by name; {@code null} removes one
   * @return the names that no purpose allows now: they were dropped before anything was stored
   * @throws TactfulException if one of them is wrong: then none is set
   */
  public List<String> setAttributes(String customerId, Map<String, ?> attributes) {
    var request = SetAttributesRequest.newBuilder().setCustomerId(customerId).putAllAttributes(Facts.attributes(attributes));
    return setAttributes(request.build()).getDroppedList();
  }

  /**
   * Sets what is known about a customer, the time zone included.
   *
   * @param request the attributes
   * @return what was not stored
   * @throws TactfulException if one of them is wrong: then none is set
   */
  public SetAttributesResponse setAttributes(SetAttributesRequest request) {
    return call(JourneyServiceGrpc.getSetAttributesMethod(), request, Function.identity());
  }

  /**
   * Records a customer's yes to one purpose. It is in force, and on the server's disk, when this returns.
   *
   * @param customerId the customer
   * @param purpose the purpose
   * @param source where the yes comes from, as evidence
   * @return the standing
   * @throws TactfulException if it is refused
   */
  public Standing giveConsent(String customerId, String purpose, ConsentSource source) {
    var change = ConsentChange.newBuilder().setPurpose(purpose).setStatus(ConsentStatus.CONSENT_STATUS_GIVEN);
    return recordConsent(RecordConsentRequest.newBuilder().setCustomerId(customerId).addChanges(change).setSource(source).build()).get(0);
  }

  /**
   * Records changes of consent, with the notice, the language and what else is known of them.
   *
   * @param changes the changes; a missing {@code idempotency_key} is added
   * @return a standing for each change
   * @throws TactfulException if one is refused; the others are recorded
   */
  public List<Standing> recordConsent(RecordConsentRequest changes) {
    var request = changes.getIdempotencyKey().isEmpty() ? changes.toBuilder().setIdempotencyKey(randomId()).build() : changes;
    return call(ConsentServiceGrpc.getRecordConsentMethod(), request, answer -> standings(answer.getResultsList()));
  }

  /**
   * Records that a customer withdraws consent, for every decision that starts after this returns.
   *
   * @param customerId the customer
   * @param purposes the purposes; every one that can be denied if there are none
   * @return a standing for each purpose
   * @throws TactfulException if one is refused
   */
  public List<Standing> withdrawConsent(String customerId, String... purposes) {
    return withdrawConsent(WithdrawConsentRequest.newBuilder().setCustomerId(customerId).addAllPurposes(Arrays.asList(purposes)).build());
  }

  /**
   * Records what a customer denies: withdrawn, refused, objected or restricted. A repetition is harmless.
   *
   * @param request what is denied
   * @return a standing for each purpose
   * @throws TactfulException if one is refused
   */
  public List<Standing> withdrawConsent(WithdrawConsentRequest request) {
    return call(withdrawals, timeout, ConsentServiceGrpc.getWithdrawConsentMethod(), request, answer -> standings(answer.getResultsList()));
  }

  /**
   * What one customer allows now.
   *
   * @param customerId the customer
   * @return a standing for each purpose of the rules
   * @throws TactfulException if the call fails
   */
  public List<Standing> getConsent(String customerId) {
    var request = GetConsentRequest.newBuilder().setCustomerId(customerId).build();
    return call(ConsentServiceGrpc.getGetConsentMethod(), request, answer -> answer.getStandingsList());
  }

  /**
   * Waits until the server answers. Call it when your program starts: then the first decision need not wait for the connection.
   *
   * @return who the caller is to the server
   * @throws TactfulException if the server cannot be reached, or does not know the token
   */
  public GetCallerResponse ready() {
    return call(CallerServiceGrpc.getGetCallerMethod(), GetCallerRequest.getDefaultInstance(), Function.identity());
  }

  /**
   * The channel, for every other call: it has the token, but no deadline and no retries. For example {@code
   * PrivacyServiceGrpc.newBlockingStub(tactful.channel())}.
   *
   * @return the channel for the generated stubs
   */
  public Channel channel() {
    return calls;
  }

  /** Closes the connections, those of clients made with {@link #withTimeout} and {@link #withHeader} included. */
  @Override
  public void close() {
    connections.close();
  }

  private <Q, A, T> T call(MethodDescriptor<Q, A> method, Q request, Function<A, T> read) {
    return call(calls, timeout, method, request, read);
  }

  private <Q, A, T> T call(Channel channel, Duration timeout, MethodDescriptor<Q, A> method, Q request, Function<A, T> read) {
    return Retry.repeated(
        timeout,
        left -> {
          CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(left, TimeUnit.NANOSECONDS);
          try {
            return read.apply(ClientCalls.blockingUnaryCall(channel, method, options, request));
          } catch (StatusRuntimeException e) {
            if (e.getStatus().getCode() == Status.Code.UNAVAILABLE) connections.reconnect(System.nanoTime());
            throw e;
          }
        });
  }

  private static String randomId() {
    return UUID.randomUUID().toString();
  }

  /** The same id for the same outcome of a step, so that a repetition counts once. */
  private static String idOf(OutcomeRecord outcome) {
    if (outcome.getDecisionId().isEmpty()) return randomId();
    String name = outcome.getOutcome().name().replace("OUTCOME_", "").toLowerCase(Locale.ROOT);
    return outcome.getDecisionId() + "/" + outcome.getActionId() + "/" + name;
  }

  /** The one result of an outcome or an event. A mistake is thrown; what the customer has not allowed is an answer. */
  private static RecordResult recorded(List<RecordResult> results) {
    RecordResult result = results.get(0);
    TactfulException.refusal(result.getCode(), result.getReason()).ifPresent(TactfulClient::refuse);
    return result;
  }

  private static List<Standing> standings(List<ConsentResult> results) {
    for (ConsentResult result : results) {
      if (!result.getAccepted()) {
        throw TactfulException.refusal(result.getCode(), result.getReason())
            .orElseGet(() -> TactfulException.refused(Status.Code.FAILED_PRECONDITION, result.getCode(), result.getReason()));
      }
    }
    return results.stream().map(ConsentResult::getStanding).toList();
  }

  private static void refuse(TactfulException refusal) {
    throw refusal;
  }
}
