# Figures of the fault tests: one row a fault, totals as text and as JSON. Sourced by tests/faults/run.
# Rows are in $queue/rows: NAME WELL ENDED OPERATOR RESIDUE DOUBLE LOST MILLISECONDS, with tabs between them.
# shellcheck shell=bash

went_badly=0  # since the world was last looked after

# begin_fault NAME; ...; end_fault. Between them the oracle notes what it finds.
begin_fault() {
  fault_name=$1
  started_ms=$((${EPOCHREALTIME/./} / 1000))
  found=() ended=- residue=0 double=0 lost=0 operator=0
}

end_fault() {
  local elapsed_ms=$((${EPOCHREALTIME/./} / 1000 - started_ms)) well=1 word=ok line
  ((${#found[@]} == 0)) || well=0
  ((well)) || word=FAILED
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$fault_name" $well "$ended" $operator $residue $double $lost $elapsed_ms \
    >>"$queue/rows"
  printf '%-6s %5d.%ds  %-7s %s\n' $word $((elapsed_ms / 1000)) $((elapsed_ms % 1000 / 100)) "$ended" "$fault_name"
  [[ -z ${FAULT_KEEP:-} ]] || cp "$work/all" "$FAULT_KEEP/${fault_name//[^a-z0-9]/-}"  # to look at what drover said
  ((well)) && return
  went_badly=$((went_badly + 1))
  for line in "${found[@]}"; do sed 's/^/       | /' <<<"$line"; done
  grep -vE '"event":"(progress|lease|ended|step_began)"' "$work/all" | cut -c1-400 | tail -n 16 | sed 's/^/       : /'
}

world_failed() {
  begin_fault "the world of the faults"
  note_fault "it could not be made"
  end_fault
}

total() { awk -F'\t' "{ sum += \$$1 } END { print sum + 0 }" "$queue/rows"; }

print_figures() {
  local tried well
  tried=$(wc -l <"$queue/rows")
  well=$(total 2)
  echo
  printf '%-18s %5d\n' 'faults tried' "$tried" 'ended well' "$well" 'needed an operator' "$(total 4)" \
    'residue found' "$(total 5)" 'double runs' "$(total 6)" 'lost guests' "$(total 7)"
  echo "$well passed, $((tried - well)) failed"
  ((tried > 0 && well == tried))
}

# The same for programs: totals, and a row for each fault.
write_json() { # FILE
  # shellcheck disable=SC2016
  awk -F'\t' '
    function text(value) { gsub(/\\/, "\\\\", value); gsub(/"/, "\\\"", value); return "\"" value "\"" }
    function flag(value) { return value ? "true" : "false" }
    { rows = rows (NR > 1 ? "," : "") sprintf("\n    {\"fault\": %s, \"ended_well\": %s, \"ended\": %s, " \
        "\"operator\": %s, \"residue\": %s, \"double_run\": %s, \"lost\": %s, \"elapsed_ms\": %d}",
        text($1), flag($2), text($3), flag($4), flag($5), flag($6), flag($7), $8)
      well += $2; operator += $4; residue += $5; double += $6; lost += $7 }
    END { printf "{\n  \"faults_tried\": %d,\n  \"ended_well\": %d,\n  \"needed_operator\": %d,\n" \
        "  \"residue_found\": %d,\n  \"double_runs\": %d,\n  \"lost_guests\": %d,\n  \"faults\": [%s\n  ]\n}\n",
        NR, well, operator, residue, double, lost, rows }' "$queue/rows" >"$1"
}
