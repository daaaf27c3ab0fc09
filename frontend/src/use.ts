/** Waiting for an answer: what came, what went wrong, or neither yet. */
import { useEffect, useState } from "preact/hooks";

export interface Answer<T> { value?: T; error?: string; waiting: boolean }

export function useAnswer<T>(ask: () => Promise<T>, key: string): Answer<T> {
  const [held, hold] = useState<Answer<T> & { key: string }>({ key: "", waiting: true });
  useEffect(() => {
    let wanted = true;
    ask().then(
      (value) => wanted && hold({ key, value, waiting: false }),
      (error: unknown) => wanted && hold({ key, error: error instanceof Error ? error.message : String(error), waiting: false }),
    );
    return () => { wanted = false; };
  }, [key]);
  return held.key === key ? held : { waiting: true };
}

/** A value that follows `value` after it has rested for `wait` milliseconds. */
export function useRested<T>(value: T, wait: number): T {
  const [rested, rest] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => rest(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return rested;
}
