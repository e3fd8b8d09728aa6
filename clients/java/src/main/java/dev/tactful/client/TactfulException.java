package dev.tactful.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.tactful.v1.ResultCode;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A call that failed, or an item that was refused. Branch on the reason or the code; the message is for people. */
public final class TactfulException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private static final Set<Status.Code> OUTAGES =
      EnumSet.of(
          Status.Code.UNAVAILABLE,
          Status.Code.DEADLINE_EXCEEDED,
          Status.Code.RESOURCE_EXHAUSTED,
          Status.Code.ABORTED,
          Status.Code.INTERNAL,
          Status.Code.UNKNOWN,
          Status.Code.DATA_LOSS);

  /** The status of gRPC. */
  private final Status.Code code;

  /** A stable reason, or empty. */
  private final String reason;

  /** The fields at fault. */
  @SuppressWarnings("serial") // Both maps that are put here can be serialized.
  private final Map<String, String> fields;

  /** After how long the server wants the call to be repeated, or null. */
  private final Duration retryDelay;

  private TactfulException(String message, Status.Code code, String reason, Throwable cause) {
    super(message, cause);
    this.code = code;
    this.reason = reason;
    this.fields = Map.of();
    this.retryDelay = null;
  }

  private TactfulException(StatusRuntimeException failed) {
    super(message(failed.getStatus()), failed);
    com.google.rpc.Status status = StatusProto.fromThrowable(failed);
    List<Any> details = status == null ? List.of() : status.getDetailsList();
    this.code = failed.getStatus().getCode();
    this.reason = detail(details, ErrorInfo.class).map(ErrorInfo::getReason).orElse("");
    Map<String, String> wrong = new LinkedHashMap<>();
    detail(details, BadRequest.class)
        .ifPresent(bad -> bad.getFieldViolationsList().forEach(one -> wrong.put(one.getField(), one.getDescription())));
    this.fields = Collections.unmodifiableMap(wrong);
    this.retryDelay =
        detail(details, RetryInfo.class)
            .map(RetryInfo::getRetryDelay)
            .map(delay -> Duration.ofSeconds(delay.getSeconds(), delay.getNanos()))
            .orElse(null);
  }

  /**
   * The same failure with its details read; for failures of the generated stubs.
   *
   * @param failed what a stub threw
   * @return the exception
   */
  public static TactfulException from(StatusRuntimeException failed) {
    return new TactfulException(failed);
  }

  /** An item of a batch that was refused by mistake of the caller, or for now; empty if the item is an answer. */
  static Optional<TactfulException> refusal(ResultCode code, String reason) {
    Status.Code status =
        switch (code) {
          case RESULT_CODE_INVALID, RESULT_CODE_UNKNOWN_NAME -> Status.Code.INVALID_ARGUMENT;
          case RESULT_CODE_REUSED -> Status.Code.ALREADY_EXISTS;
          case RESULT_CODE_NOT_FOUND -> Status.Code.NOT_FOUND;
          case RESULT_CODE_UNAVAILABLE -> Status.Code.UNAVAILABLE;
          default -> null;
        };
    return Optional.ofNullable(status).map(known -> refused(known, code, reason));
  }

  static TactfulException refused(Status.Code status, ResultCode code, String reason) {
    return new TactfulException(reason, status, code.name().replace("RESULT_CODE_", ""), null);
  }

  static TactfulException interrupted(InterruptedException cause) {
    return new TactfulException("interrupted", Status.Code.CANCELLED, "", cause);
  }

  /**
   * The status of gRPC.
   *
   * @return the code
   */
  public Status.Code code() {
    return code;
  }

  /**
   * A stable reason, such as {@code UNKNOWN_CHANNEL}; empty if the server gave none.
   *
   * @return the reason
   */
  public String reason() {
    return reason;
  }

  /**
   * The fields at fault.
   *
   * @return what the server says against each, by the field's name in the protocol
   */
  public Map<String, String> fields() {
    return fields;
  }

  /**
   * After how long the server wants the call to be repeated.
   *
   * @return the delay, if the server gave one
   */
  public Optional<Duration> retryDelay() {
    return Optional.ofNullable(retryDelay);
  }

  /** Whether the same call may succeed a moment later. */
  boolean isRetryable() {
    return switch (code) {
      case UNAVAILABLE, ABORTED -> true;
      case RESOURCE_EXHAUSTED -> retryDelay != null;
      default -> false;
    };
  }

  /** Whether it is the server or the way to it that failed, and neither the request nor the caller is wrong. */
  boolean isOutage() {
    return OUTAGES.contains(code);
  }

  /** What the status says; where that is no more than `io exception`, what is at the root of it, too. */
  private static String message(Status status) {
    String description = status.getDescription();
    String told = description == null ? status.getCode().name() : description.lines().findFirst().orElse("");
    Throwable root = status.getCause();
    while (root != null && root.getCause() != null) root = root.getCause();
    return root == null || root.getMessage() == null ? told : told + ": " + root.getMessage();
  }

  private static <T extends Message> Optional<T> detail(List<Any> details, Class<T> kind) {
    return details.stream().filter(detail -> detail.is(kind)).findFirst().flatMap(detail -> unpacked(detail, kind));
  }

  private static <T extends Message> Optional<T> unpacked(Any detail, Class<T> kind) {
    try {
      return Optional.of(detail.unpack(kind));
    } catch (InvalidProtocolBufferException e) {
      // A detail that cannot be read is one that was not sent.
      return Optional.empty();
    }
  }
}
