/** Peers that take nothing of what waits for them. Stands in for Linux's TCP_USER_TIMEOUT, which Node cannot set. */
import type { Socket } from "node:net";
import { CommClosedError, LONGEST_TIMER_MS } from "../base/index.ts";

/** Looks within the time after which a peer counts as gone. */
const LOOKS = 10;
/** libuv's probes of a silent connection once its keep-alive has begun: one each second. */
const PROBES_MS = 10_000;
const SECOND_MS = 1000;

/** Milliseconds of silence before TCP asks the peer for a sign of life: with the probes after it, the time is over. */
export function keepAliveDelayMs(timeoutMs: number): number {
  return Math.max(timeoutMs - PROBES_MS, SECOND_MS);
}

/**
 * Call `onStalled` once nothing that waits to be written has moved for `timeoutMs`; a slow peer moves some. Counts
 * looks, not time: an event loop that stood still has looked once, and had no chance to write. Dispose to stop.
 */
export function watchStalled(
  socket: Socket,
  { peer, timeoutMs }: { readonly peer: string; readonly timeoutMs: number },
  onStalled: (error: Error) => void,
): Disposable {
  let before = "";
  let quiet = 0;
  const timer = setInterval(
    () => {
      const now = waiting(socket);
      quiet = now !== null && now === before ? quiet + 1 : 0;
      before = now ?? "";
      if (quiet < LOOKS) return;
      clearInterval(timer);
      onStalled(
        new CommClosedError(
          `${peer} has taken nothing for ${timeoutMs / SECOND_MS} s of ${socket.writableLength} bytes that wait for it (distributed.comm.timeouts.tcp)`,
          { details: { peer, timeoutMs } },
        ),
      );
    },
    Math.min(timeoutMs / LOOKS, LONGEST_TIMER_MS),
  ).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** A socket's handle as Node has it inside; one that encrypts has that of the plain socket below it. */
interface Handle {
  readonly bytesWritten?: number;
  readonly writeQueueSize?: number;
  readonly _parent?: Handle;
}

function handleOf(socket: Socket): Handle | null | undefined {
  const { _handle: handle } = socket as Socket & { readonly _handle?: Handle | null };
  return handle?._parent ?? handle;
}

/** Bytes that the kernel has taken so far; 0 once the socket is closed. */
export function bytesLeft(socket: Socket): number {
  const { bytesWritten = 0, writeQueueSize = 0 } = handleOf(socket) ?? {};
  return bytesWritten - writeQueueSize;
}

/** How far what waits for the peer has come: messages, and the bytes of them that the kernel has not taken. Null: nothing waits. */
function waiting(socket: Socket): string | null {
  const { writableLength, bytesWritten } = socket;
  if (writableLength === 0) return null;
  // Node's own timeout of a socket looks at the same: a large piece leaves in many parts, and only the handle tells.
  const left = handleOf(socket)?.writeQueueSize;
  // Whoever cannot see it move cannot say that it does not.
  return left === undefined ? null : `${bytesWritten - writableLength} ${left}`;
}
