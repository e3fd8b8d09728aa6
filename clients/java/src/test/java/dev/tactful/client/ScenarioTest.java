package dev.tactful.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import dev.tactful.v1.ConsentResult;
import dev.tactful.v1.DecideRequest;
import dev.tactful.v1.Event;
import dev.tactful.v1.OutcomeRecord;
import dev.tactful.v1.RecordConsentRequest;
import dev.tactful.v1.RecordConsentResponse;
import dev.tactful.v1.RecordEventsRequest;
import dev.tactful.v1.RecordEventsResponse;
import dev.tactful.v1.RecordOutcomesRequest;
import dev.tactful.v1.RecordOutcomesResponse;
import dev.tactful.v1.SetAttributesRequest;
import dev.tactful.v1.Standing;
import dev.tactful.v1.Value;
import dev.tactful.v1.WithdrawConsentRequest;
import dev.tactful.v1.WithdrawConsentResponse;
import java.nio.file.Files;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The scenario of examples/ through the client: the answers are those of scenario.json. */
class ScenarioTest {
  @Test
  void theScenarioHasTheSameAnswersAsWithEveryOtherClient() throws Exception {
    String scenario = Files.readString(TestServer.ROOT.resolve("examples/scenario/scenario.json"));
    try (TestServer server = TestServer.start();
        TactfulClient tactful = TactfulClient.connect(server.url())) {
      var steps = JsonParser.parseString(scenario).getAsJsonArray();
      assertFalse(steps.isEmpty());
      String kept = "";
      for (JsonElement element : steps) {
        JsonObject step = element.getAsJsonObject();
        String name = step.get("call").getAsString();
        String request = step.get("request").toString().replace("CUSTOMER", "anna").replace("KEPT", kept);
        String code = "OK";
        JsonElement answer = new JsonObject();
        try {
          answer = call(tactful.withTimeout(Duration.ofSeconds(20)), name, request);
        } catch (TactfulException e) {
          code = e.code().name();
        }
        assertEquals(step.has("error") ? step.get("error").getAsString() : "OK", code, name);
        if (step.has("expect")) {
          for (var wanted : step.getAsJsonObject("expect").entrySet()) {
            assertEquals(wanted.getValue(), at(answer, wanted.getKey()), name + " " + wanted.getKey());
          }
        }
        if (step.has("keep")) kept = at(answer, step.get("keep").getAsString()).getAsString();
      }
    }
  }

  /** How each call of the scenario is made with the client, and its answer as JSON. */
  private static JsonElement call(TactfulClient tactful, String name, String json) throws InvalidProtocolBufferException {
    switch (name) {
      case "DecisionService/Decide" -> {
        DecideRequest asked = read(json, DecideRequest.newBuilder()).build();
        return shown(tactful.decide(asked.getCustomerId(), asked.getChannel(), plain(asked.getContextMap())).response());
      }
      case "DecisionService/RecordOutcomes" -> {
        OutcomeRecord outcome = read(json, RecordOutcomesRequest.newBuilder()).getOutcomes(0);
        return shown(RecordOutcomesResponse.newBuilder().addResults(tactful.recordOutcome(outcome)).build());
      }
      case "JourneyService/RecordEvents" -> {
        Event event = read(json, RecordEventsRequest.newBuilder()).getEvents(0);
        var result = tactful.recordEvent(event.getCustomerId(), event.getType(), plain(event.getFieldsMap()));
        return shown(RecordEventsResponse.newBuilder().addResults(result).build());
      }
      case "JourneyService/SetAttributes" -> {
        SetAttributesRequest set = read(json, SetAttributesRequest.newBuilder()).build();
        assertEquals(List.of(), tactful.setAttributes(set.getCustomerId(), plain(set.getAttributesMap())));
        return new JsonObject();
      }
      case "ConsentService/RecordConsent" -> {
        RecordConsentRequest given = read(json, RecordConsentRequest.newBuilder()).build();
        Standing standing = tactful.giveConsent(given.getCustomerId(), given.getChanges(0).getPurpose(), given.getSource());
        return shown(RecordConsentResponse.newBuilder().addResults(accepted(standing)).build());
      }
      case "ConsentService/WithdrawConsent" -> {
        WithdrawConsentRequest denied = read(json, WithdrawConsentRequest.newBuilder()).build();
        var standings = tactful.withdrawConsent(denied.getCustomerId(), denied.getPurposesList().toArray(String[]::new));
        return shown(WithdrawConsentResponse.newBuilder().addResults(accepted(standings.get(0))).build());
      }
      default -> throw new IllegalArgumentException("the test does not know " + name);
    }
  }

  private static ConsentResult accepted(Standing standing) {
    return ConsentResult.newBuilder().setAccepted(true).setStanding(standing).build();
  }

  private static <B extends Message.Builder> B read(String json, B builder) throws InvalidProtocolBufferException {
    JsonFormat.parser().merge(json, builder);
    return builder;
  }

  private static JsonElement shown(Message message) throws InvalidProtocolBufferException {
    return JsonParser.parseString(JsonFormat.printer().alwaysPrintFieldsWithNoPresence().print(message));
  }

  /** Values of the protocol as plain values: the other direction is what is tested. */
  private static Map<String, Object> plain(Map<String, Value> values) {
    Map<String, Object> plain = new HashMap<>();
    values.forEach((name, value) -> plain.put(name, value.hasText() ? value.getText() : value.getNumber()));
    return plain;
  }

  private static JsonElement at(JsonElement answer, String path) {
    JsonElement found = answer;
    for (String part : path.split("\\.")) {
      found = found.isJsonArray() ? found.getAsJsonArray().get(Integer.parseInt(part)) : found.getAsJsonObject().get(part);
    }
    return found;
  }
}
