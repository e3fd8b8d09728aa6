// A list of which only the rows in sight exist, so that 10,000 rows scroll as well as ten. All rows have one height.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

const BEYOND = 6;

interface Props<T> {
  items: readonly T[];
  /** The height of a row in pixels. */
  row: number;
  label: string;
  selected: number;
  onSelect: (index: number) => void;
  /** What Enter and a double click do. */
  onOpen?: (index: number) => void;
  children: (item: T, index: number) => ComponentChildren;
}

export function Windowed<T>({ items, row, label, selected, onSelect, onOpen, children }: Props<T>) {
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const [seen, setSeen] = useState({ top: 0, height: 480 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setSeen({ top: element.scrollTop, height: element.clientHeight }));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const element = box.current;
    if (!element || selected < 0) return;
    const top = selected * row;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + row > element.scrollTop + element.clientHeight) element.scrollTop = top + row - element.clientHeight;
  }, [selected, row]);
  const first = Math.max(0, Math.floor(seen.top / row) - BEYOND);
  const last = Math.min(items.length, Math.ceil((seen.top + seen.height) / row) + BEYOND);
  const page = Math.max(1, Math.floor(seen.height / row) - 1);
  const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  const keyed = (event: KeyboardEvent) => {
    const step = steps[event.key];
    if (step !== undefined && items.length) {
      event.preventDefault();
      onSelect(Math.min(items.length - 1, Math.max(0, selected + step)));
    } else if (event.key === "Enter" && selected >= 0) {
      onOpen?.(selected);
    }
  };
  const rows = [];
  for (let index = first; index < last; index++) {
    rows.push(
      <div
        key={index}
        id={`${id}-${index}`}
        role="option"
        class="row"
        aria-selected={index === selected}
        aria-setsize={items.length}
        aria-posinset={index + 1}
        style={{ transform: `translateY(${index * row}px)`, height: `${row}px` }}
        onClick={() => onSelect(index)}
        onDblClick={() => onOpen?.(index)}
      >
        {children(items[index] as T, index)}
      </div>,
    );
  }
  const isInSight = selected >= first && selected < last;
  return (
    <div
      ref={box}
      class="windowed"
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-activedescendant={isInSight ? `${id}-${selected}` : undefined}
      onScroll={(event) => setSeen({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
      onKeyDown={keyed}
      style={{ maxHeight: `${Math.min(items.length, 12) * row + 2}px` }}
    >
      <div role="presentation" class="rows" style={{ height: `${items.length * row}px` }}>
        {rows}
      </div>
    </div>
  );
}
