// Draft rule files: taken from a folder of this machine, and edited here. They leave the page only to be checked.
import { useRef, useState } from "preact/hooks";
import { counted } from "./format";
import { Severity, type Diagnostic } from "./gen/tactful/v1/rules_pb";

export interface Draft {
  path: string;
  text: string;
}

interface Props {
  drafts: Draft[];
  onChange: (drafts: Draft[]) => void;
  found: Diagnostic[];
}

export function Drafts({ drafts, onChange, found }: Props) {
  const [open, setOpen] = useState("");
  const editor = useRef<HTMLTextAreaElement>(null);
  const take = async (input: HTMLInputElement) => {
    const placed = [...(input.files ?? [])].map((file) => ({ file, path: file.webkitRelativePath.split("/").slice(1).join("/") || file.name }));
    // Rules, and the notices that they name; hidden folders hold neither.
    const wanted = placed.filter(({ path }) => /^(?!\.|.*\/\.).*\.ya?ml$|^notices\/[^.]/.test(path));
    const read = wanted.map(async ({ file, path }) => ({ path, text: await file.text() }));
    const taken = (await Promise.all(read)).sort((a, b) => (a.path < b.path ? -1 : 1));
    onChange(taken);
    setOpen(taken[0]?.path ?? "");
  };
  const edited = drafts.find((draft) => draft.path === open) ?? drafts[0];
  const edit = (text: string) => onChange(drafts.map((draft) => (draft === edited ? { ...draft, text } : draft)));
  const mistakes = (path: string) => found.filter((one) => one.file === path);
  return (
    <details class="drafts" open={drafts.length > 0}>
      <summary>Draft rules{drafts.length ? ` (${counted(drafts.length, "file")})` : ""}</summary>
      <div class="inline">
        <label class="button">
          Choose a rule folder
          <input
            type="file"
            class="unseen"
            multiple
            ref={(input) => {
              input?.setAttribute("webkitdirectory", "");
            }}
            onChange={(event) => void take(event.currentTarget)}
          />
        </label>
        {drafts.length ? (
          <button type="button" onClick={() => onChange([])}>
            Without drafts
          </button>
        ) : (
          <button
            type="button"
            onClick={() => {
              onChange([{ path: "draft.yaml", text: "" }]);
              setTimeout(() => editor.current?.focus());
            }}
          >
            Write one file
          </button>
        )}
      </div>
      {edited ? (
        <>
          <ul class="files" aria-label="Files">
            {drafts.map((draft) => {
              const errors = mistakes(draft.path).filter((one) => one.severity === Severity.ERROR).length;
              return (
                <li key={draft.path}>
                  <button type="button" class="chip" aria-pressed={draft === edited} onClick={() => setOpen(draft.path)}>
                    {draft.path}
                    {errors ? <span class="bad"> {errors}</span> : null}
                  </button>
                </li>
              );
            })}
          </ul>
          <textarea
            ref={editor}
            class="code"
            aria-label={`Text of ${edited.path}`}
            spellcheck={false}
            rows={16}
            value={edited.text}
            onInput={(event) => edit(event.currentTarget.value)}
          />
        </>
      ) : null}
    </details>
  );
}
