// What can go wrong, and whether it is worth another try.
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ResultCode } from "./gen/tactful/v1/common_pb.js";

/** What the server says against one field of a request. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

interface Details {
  readonly reason?: string;
  readonly fields?: readonly FieldViolation[];
  readonly retryDelayMs?: number | undefined;
  readonly lost?: boolean;
  readonly cause?: unknown;
}

/** A call that failed, or an item that was refused. Branch on `reason` or `code`; the message is for people. */
export class TactfulError extends Error {
  override readonly name = "TactfulError";
  /** The status of gRPC. */
  readonly code: Code;
  /** A stable reason, such as `UNKNOWN_CHANNEL`; empty if the server gave none. */
  readonly reason: string;
  /** The fields at fault. */
  readonly fields: readonly FieldViolation[];
  /** After how many milliseconds the server wants the call to be repeated. */
  readonly retryDelayMs: number | undefined;
  /** True if no answer of the server came: it cannot be reached, or the connection was cut. */
  readonly lost: boolean;

  constructor(message: string, code: Code, details: Details = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.reason = details.reason ?? "";
    this.fields = details.fields ?? [];
    this.retryDelayMs = details.retryDelayMs;
    this.lost = details.lost ?? false;
  }

  /** The same error with its details read; for errors of the generated clients. */
  static from(error: unknown): TactfulError {
    if (error instanceof TactfulError) return error;
    const failed = ConnectError.from(error);
    const lost = isLost(failed);
    const delay = failed.findDetails(RetryInfoSchema)[0]?.retryDelay;
    return new TactfulError(failed.rawMessage, lost ? Code.Unavailable : failed.code, {
      reason: failed.findDetails(ErrorInfoSchema)[0]?.reason ?? "",
      fields: failed.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations.map(({ field, description }) => ({ field, description }))),
      retryDelayMs: delay && durationMs(delay),
      lost,
      cause: error,
    });
  }

  /** Whether the same call may succeed a moment later. */
  get isRetryable(): boolean {
    switch (this.code) {
      case Code.Unavailable:
      case Code.Aborted:
        return true;
      case Code.ResourceExhausted:
        return this.retryDelayMs !== undefined;
      default:
        return false;
    }
  }

  /** Whether it is the server or the way to it that failed, and neither the request nor the caller is wrong. */
  get isOutage(): boolean {
    return OUTAGES.has(this.code);
  }
}

const OUTAGES: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
  Code.Aborted,
  Code.Internal,
  Code.Unknown,
  Code.DataLoss,
]);

/** What a transport says if the connection ends before the answer is there: an answer would have brought headers. */
const CUTS: ReadonlySet<Code> = new Set([Code.Unavailable, Code.Aborted, Code.Canceled, Code.Internal, Code.Unknown]);

function isLost(error: ConnectError): boolean {
  return error.metadata.keys().next().done === true && CUTS.has(error.code);
}

/** Items of a batch that are refused by mistake of the caller, or for now. What the customer has not allowed is none. */
const REFUSALS: ReadonlyMap<ResultCode, Code> = new Map([
  [ResultCode.INVALID, Code.InvalidArgument],
  [ResultCode.UNKNOWN_NAME, Code.InvalidArgument],
  [ResultCode.REUSED, Code.AlreadyExists],
  [ResultCode.NOT_FOUND, Code.NotFound],
  [ResultCode.UNAVAILABLE, Code.Unavailable],
]);

/** The error of a refused item; undefined if it is not one. */
export function refusal(result: { code: ResultCode; reason: string }, others?: Code): TactfulError | undefined {
  const code = REFUSALS.get(result.code) ?? others;
  return code && new TactfulError(result.reason, code, { reason: ResultCode[result.code] ?? "" });
}
