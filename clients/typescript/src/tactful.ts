// The client: decide, outcomes, events and consents, with deadlines and retries.
import type { DescService } from "@bufbuild/protobuf";
import { createClient, type Client, type Transport } from "@connectrpc/connect";
import { localSilence, toRequest, type Decision, type DecisionReference, type Question } from "./decision.js";
import { TactfulError } from "./errors.js";
import { toValues, type Attributes } from "./facts.js";
import { CallerService, type GetCallerResponse } from "./gen/tactful/v1/caller_pb.js";
import { ConsentService, type Standing } from "./gen/tactful/v1/consent_pb.js";
import { DecisionService, type RecordResult } from "./gen/tactful/v1/decision_pb.js";
import { JourneyService, type SetAttributesResponse } from "./gen/tactful/v1/journey_pb.js";
import {
  randomId,
  recordedConsents,
  recordedOne,
  toDenialRequest,
  toEvent,
  toGrantRequest,
  toOutcomeRecord,
  type CustomerEvent,
  type Denial,
  type Grant,
  type OutcomeDetails,
  type OutcomeName,
} from "./records.js";
import { repeated } from "./retry.js";

/** How long the client waits. */
export interface TactfulOptions {
  /** How long `decide` may take, retries included, in milliseconds; 300 if left out. */
  readonly decideTimeoutMs?: number | undefined;
  /** How long any other call may take, retries included, in milliseconds; 5,000 if left out. */
  readonly timeoutMs?: number | undefined;
}

/** What a client calls over. */
export interface Connections {
  readonly calls: Transport;
  /** A connection of its own for withdrawals: a busy server reads those first. */
  readonly withdrawals?: Transport | undefined;
  readonly close?: (() => void) | undefined;
}

/** Options of one call. */
export interface CallOptions {
  /** How long this call may take, retries included, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Cancels the call, which then throws the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
  /** Headers to send, such as `sec-gpc` of a visitor's request. */
  readonly headers?: HeadersInit | undefined;
}

/** Options of `decide`. */
export interface DecideOptions extends CallOptions {
  /** What to do if there is no answer in time: a local silence, or throw a TactfulError. */
  readonly fallback?: "silence" | "error" | undefined;
}

/** Options of `setAttributes`. */
export interface AttributeOptions extends CallOptions {
  /** The customer's time zone, for quiet hours: an IANA name such as `Europe/Berlin`. */
  readonly timeZone?: string | undefined;
}

/** A client of one server. Make it with `connect`; one is enough for a program. */
export class Tactful {
  readonly #connections: Connections;
  readonly #decideTimeoutMs: number;
  readonly #timeoutMs: number;
  readonly #decisions: Client<typeof DecisionService>;
  readonly #journeys: Client<typeof JourneyService>;
  readonly #consents: Client<typeof ConsentService>;
  readonly #withdrawals: Client<typeof ConsentService>;

  /** A client over transports of your own; `connect` makes them from an address. */
  constructor(connections: Connections, options: TactfulOptions = {}) {
    this.#connections = connections;
    this.#decideTimeoutMs = options.decideTimeoutMs ?? 300;
    this.#timeoutMs = options.timeoutMs ?? 5_000;
    this.#decisions = createClient(DecisionService, connections.calls);
    this.#journeys = createClient(JourneyService, connections.calls);
    this.#consents = createClient(ConsentService, connections.calls);
    this.#withdrawals = createClient(ConsentService, connections.withdrawals ?? connections.calls);
  }

  /**
   * The best next step now, or silence. It counts as a contact, once for all retries.
   *
   * If the server is late or cannot be reached, the answer is a silence with `local: true`, unless `fallback` asks for the
   * error.
   *
   * @throws TactfulError if the request is wrong or the caller may not make it
   */
  async decide(question: Question, options: DecideOptions = {}): Promise<Decision> {
    const { fallback = "silence", timeoutMs = this.#decideTimeoutMs } = options;
    const { customerId, requestId = randomId() } = question;
    const request = toRequest(question, requestId);
    try {
      const answer = await this.#call((attempt) => this.#decisions.decide(request, attempt), { ...options, timeoutMs });
      return Object.assign(answer, { customerId, requestId, local: false });
    } catch (error) {
      if (fallback === "error" || !(error instanceof TactfulError && error.isOutage)) throw error;
      return Object.assign(localSilence(error, timeoutMs), { customerId, requestId, local: true, error });
    }
  }

  /**
   * Records what became of a step. `presented` confirms its contact, `not_presented` takes it back. Each outcome of a step
   * counts once.
   *
   * @throws TactfulError if it is refused
   */
  async recordOutcome(decision: DecisionReference, outcome: OutcomeName, options: OutcomeDetails & CallOptions = {}): Promise<RecordResult> {
    const outcomes = [toOutcomeRecord(decision, outcome, options)];
    return this.#call(async (attempt) => recordedOne((await this.#decisions.recordOutcomes({ outcomes }, attempt)).results), options);
  }

  /**
   * Records what a customer did. If the customer has allowed no purpose of the event, it is not stored, and `accepted` is
   * false.
   *
   * @throws TactfulError if the event is wrong
   */
  async recordEvent(event: CustomerEvent, options: CallOptions = {}): Promise<RecordResult> {
    const events = [toEvent(event)];
    return this.#call(async (attempt) => recordedOne((await this.#journeys.recordEvents({ events }, attempt)).results), options);
  }

  /**
   * Sets what is known about a customer; other attributes stay as they are. The answer names those that no purpose allows
   * now: they were dropped before anything was stored.
   *
   * @throws TactfulError if one of them is wrong: then none is set
   */
  async setAttributes(customerId: string, attributes: Attributes, options: AttributeOptions = {}): Promise<SetAttributesResponse> {
    const request = { customerId, attributes: toValues(attributes), timeZone: options.timeZone ?? "" };
    return this.#call((attempt) => this.#journeys.setAttributes(request, attempt), options);
  }

  /**
   * Records a yes. It is in force, and on the server's disk, when this returns.
   *
   * @throws TactfulError if it is refused
   */
  async giveConsent(grant: Grant, options: CallOptions = {}): Promise<Standing> {
    const request = toGrantRequest(grant);
    const standings = await this.#call(
      async (attempt) => recordedConsents((await this.#consents.recordConsent(request, attempt)).results),
      options,
    );
    return standings[0] as Standing;
  }

  /**
   * Records a no, for every decision that starts after this returns. A repetition is harmless.
   *
   * @throws TactfulError if it is refused
   */
  async withdrawConsent(denial: Denial, options: CallOptions = {}): Promise<Standing[]> {
    const request = toDenialRequest(denial);
    return this.#call(async (attempt) => recordedConsents((await this.#withdrawals.withdrawConsent(request, attempt)).results), options);
  }

  /** What one customer allows now: a standing for each purpose. */
  async getConsent(customerId: string, options: CallOptions = {}): Promise<Standing[]> {
    return this.#call(async (attempt) => (await this.#consents.getConsent({ customerId }, attempt)).standings, options);
  }

  /**
   * Waits until the server answers, and says who the caller is to it. Call it when your program starts: then the first
   * `decide` need not wait for the connection.
   *
   * @throws TactfulError if the server cannot be reached, or does not know the token
   */
  async ready(options: CallOptions = {}): Promise<GetCallerResponse> {
    return this.#call((attempt) => this.client(CallerService).getCaller({}, attempt), options);
  }

  /** The generated client of a service of `@tactful/client/proto`, for every other call. It has no deadline and does not retry. */
  client<S extends DescService>(service: S): Client<S> {
    return createClient(service, this.#connections.calls);
  }

  /** Closes the connections. */
  close(): void {
    this.#connections.close?.();
  }

  #call<T>(call: (attempt: Attempt) => Promise<T>, options: CallOptions): Promise<T> {
    const { timeoutMs = this.#timeoutMs, signal, headers } = options;
    const others = { ...(signal && { signal }), ...(headers && { headers }) };
    return repeated((left) => call({ timeoutMs: left, ...others }), timeoutMs, signal);
  }
}

/** Options of one attempt, for the generated clients. */
interface Attempt {
  timeoutMs: number;
  signal?: AbortSignal;
  headers?: HeadersInit;
}
