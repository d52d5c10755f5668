package completion

import (
	"fmt"
	"strings"
)

// Shells are those that there is a script for.
func Shells() []string { return []string{"bash", "zsh", "fish"} }

// Script is what a shell reads to complete the commands of program. It asks
// the program itself: "PROGRAM __complete -- WORDS..." prints a candidate a
// line, with its help behind a tab.
func Script(shell, program string) (string, error) {
	text, ok := map[string]string{"bash": bash, "zsh": zsh, "fish": fish}[shell]
	if !ok {
		return "", fmt.Errorf("there is no script for %q: there are %s", shell, strings.Join(Shells(), ", "))
	}
	return strings.ReplaceAll(text, "PROGRAM", program), nil
}

// When there is no candidate, each of them completes the names of files.
const bash = `# Completion of PROGRAM for bash: source <(PROGRAM completion bash)
_PROGRAM() {
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("${line%%$'\t'*}")
	done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	[[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
	return 0
}
complete -o default -F _PROGRAM PROGRAM
`

const zsh = `#compdef PROGRAM
# Completion of PROGRAM for zsh: source <(PROGRAM completion zsh)
_PROGRAM() {
	local line
	local -a candidates
	while IFS= read -r line; do
		candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
	if (( ${#candidates} )); then
		_describe 'PROGRAM' candidates
	else
		_files
	fi
}
compdef _PROGRAM PROGRAM
`

const fish = `# Completion of PROGRAM for fish: PROGRAM completion fish | source
function __PROGRAM_complete
	set -l words (commandline -opc)
	set -l last (commandline -ct)
	$words[1] __complete -- $words[2..-1] "$last" 2>/dev/null
end
complete -c PROGRAM -a '(__PROGRAM_complete)'
`
