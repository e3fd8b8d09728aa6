package dev.tactful.client;

import com.google.protobuf.Timestamp;
import dev.tactful.v1.TextList;
import dev.tactful.v1.Value;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Facts of the protocol from plain values. */
public final class Facts {
  private Facts() {}

  /**
   * A fact of the type that the rules declare.
   *
   * @param fact a {@link String}, {@link Number}, {@link Boolean}, {@link Instant}, {@link Duration}, list of strings, or a
   *     {@link Value}, which stays as it is
   * @return the fact
   * @throws IllegalArgumentException for anything else
   */
  public static Value of(Object fact) {
    if (fact instanceof Value value) return value;
    Value.Builder value = Value.newBuilder();
    if (fact instanceof String text) return value.setText(text).build();
    if (fact instanceof Number number) return value.setNumber(number.doubleValue()).build();
    if (fact instanceof Boolean flag) return value.setFlag(flag).build();
    if (fact instanceof Instant moment) return value.setMoment(timestamp(moment)).build();
    if (fact instanceof Duration span) return value.setSpan(duration(span)).build();
    if (fact instanceof List<?> items) return value.setList(texts(items)).build();
    throw new IllegalArgumentException("a fact is a String, Number, Boolean, Instant, Duration or list of Strings, not " + named(fact));
  }

  /**
   * Facts by name. What is {@code null} is left out: the fact is unknown.
   *
   * @param facts the facts, see {@link #of(Object)}
   * @return the same for a message
   * @throws IllegalArgumentException if a value is no fact
   */
  public static Map<String, Value> of(Map<String, ?> facts) {
    Map<String, Value> values = new LinkedHashMap<>();
    facts.forEach(
        (name, fact) -> {
          if (fact != null) values.put(name, named(name, fact));
        });
    return values;
  }

  /**
   * Attributes by name. {@code null} removes an attribute.
   *
   * @param attributes the attributes, see {@link #of(Object)}
   * @return the same for a message
   * @throws IllegalArgumentException if a value is no fact
   */
  public static Map<String, Value> attributes(Map<String, ?> attributes) {
    Map<String, Value> values = new LinkedHashMap<>();
    attributes.forEach((name, fact) -> values.put(name, fact == null ? Value.getDefaultInstance() : named(name, fact)));
    return values;
  }

  /**
   * A moment of the protocol.
   *
   * @param moment the moment
   * @return the same for a message
   */
  public static Timestamp timestamp(Instant moment) {
    return Timestamp.newBuilder().setSeconds(moment.getEpochSecond()).setNanos(moment.getNano()).build();
  }

  /**
   * A moment of the protocol as Java has it.
   *
   * @param moment the moment
   * @return the same
   */
  public static Instant instant(Timestamp moment) {
    return Instant.ofEpochSecond(moment.getSeconds(), moment.getNanos());
  }

  private static Value named(String name, Object fact) {
    try {
      return of(fact);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("`" + name + "`: " + e.getMessage(), e);
    }
  }

  private static String named(Object fact) {
    return fact == null ? "null" : fact.getClass().getName();
  }

  private static com.google.protobuf.Duration duration(Duration span) {
    // The protocol wants both parts to have one sign; Java's nanoseconds are never negative.
    boolean borrowed = span.getSeconds() < 0 && span.getNano() > 0;
    return com.google.protobuf.Duration.newBuilder()
        .setSeconds(span.getSeconds() + (borrowed ? 1 : 0))
        .setNanos(span.getNano() - (borrowed ? 1_000_000_000 : 0))
        .build();
  }

  private static TextList texts(List<?> items) {
    TextList.Builder texts = TextList.newBuilder();
    for (Object item : items) {
      if (!(item instanceof String text)) throw new IllegalArgumentException("a list has Strings, not " + named(item));
      texts.addItems(text);
    }
    return texts.build();
  }
}
