# bash completion for drover. The program itself says what may follow: drover complete WORDS...
# shellcheck shell=bash
# In use now: eval "$(drover completion bash)"
_drover() {
  local line=${COMP_LINE:0:COMP_POINT} current candidate
  local -a words=()
  read -ra words <<<"$line"
  [[ $line != *[[:space:]] ]] || words+=("")
  current=${words[-1]}
  # bash gives back only what follows the last of COMP_WORDBREAKS in the word (--to=..., user@host, host:port).
  local kept=${current##*[=:@]}
  local cut=${current%"$kept"}
  COMPREPLY=()
  while IFS= read -r candidate; do
    case $candidate in
      :files) compopt -o default ;;
      :folders) compopt -o dirnames ;;
      *) COMPREPLY+=("${candidate#"$cut"}") ;;
    esac
  done < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null </dev/null)
}
complete -F _drover drover
