package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cartrita/cartrita/model"
)

// completeCommand is what the completion scripts call: cartrita __complete
// WORD…, the last word being the one under the cursor. It prints one
// suggestion per line.
const completeCommand = "__complete"

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish,powershell" help:"bash, zsh, fish or powershell."`
}

// Help says how to use the script.
func (cmd *completionCmd) Help() string {
	return `bash:        cartrita completion bash > /etc/bash_completion.d/cartrita   (or: source <(cartrita completion bash))
zsh:         cartrita completion zsh > "${fpath[1]}/_cartrita"
fish:        cartrita completion fish > ~/.config/fish/completions/cartrita.fish
powershell:  cartrita completion powershell | Out-String | Invoke-Expression`
}

// Run prints a script.
func (cmd *completionCmd) Run(p *printer) error {
	_, err := io.WriteString(p.out, completionScripts[cmd.Shell])
	return err
}

var completionScripts = map[string]string{
	// Bash takes "auto:balanced" apart at the colon, so the line is split anew
	// and what stands before the colon is cut off the suggestions.
	"bash": `_cartrita() {
    local line="${COMP_LINE:0:COMP_POINT}" cut="" last
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    last="${words[${#words[@]}-1]}"
    [[ $last == *:* && $COMP_WORDBREAKS == *:* ]] && cut="${last%:*}:"
    local IFS=$'\n'
    COMPREPLY=($(cartrita __complete "${words[@]:1}" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}
complete -o default -F _cartrita cartrita
`,
	"zsh": `#compdef cartrita
_cartrita() {
    local -a found
    found=("${(@f)$(cartrita __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n ${found[1]} ]]; then compadd -Q -- "${found[@]}"; else _files; fi
}
if [[ ${funcstack[1]} == _cartrita ]]; then _cartrita "$@"; else compdef _cartrita cartrita; fi
`,
	"fish": `complete -c cartrita -f -a '(cartrita __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
complete -c cartrita -n '__fish_seen_subcommand_from import add check' -F
`,
	"powershell": `Register-ArgumentCompleter -Native -CommandName cartrita -ScriptBlock {
    param($word, $ast, $cursor)
    $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($word -eq '') { $words += '""' }
    & cartrita __complete @words 2>$null | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`,
}

// complete prints suggestions for the last of words.
func (a *app) complete(words []string) {
	var root cli
	k, err := a.parser(&root, func(int) {})
	if err != nil || len(words) == 0 {
		return
	}
	last := strings.Trim(words[len(words)-1], `"`)
	for _, s := range a.suggestions(k, words[:len(words)-1], last) {
		if strings.HasPrefix(s, last) {
			fmt.Fprintln(a.out, s)
		}
	}
}

func (a *app) suggestions(k *kong.Kong, before []string, last string) []string {
	node, flag, position := locate(k.Model.Node, before)
	switch {
	case flag != nil:
		return a.valuesOf(flag.Value)
	case strings.HasPrefix(last, "-"):
		return flagsOf(node)
	}
	var out []string
	for _, c := range node.Children {
		if c.Type == kong.CommandNode && !c.Hidden {
			out = append(out, c.Name)
		}
	}
	if len(node.Positional) > 0 {
		out = append(out, a.valuesOf(node.Positional[min(position, len(node.Positional)-1)])...)
	}
	return out
}

// locate walks the words that are complete: to the command, to the flag whose
// value comes next, or nil, and to the number of the next argument.
func locate(node *kong.Node, words []string) (*kong.Node, *kong.Flag, int) {
	var pending *kong.Flag
	position := 0
	for _, w := range words {
		switch {
		case pending != nil:
			pending = nil
		case strings.HasPrefix(w, "-"):
			if f := flagNamed(node, w); f != nil && !f.IsBool() && !strings.Contains(w, "=") {
				pending = f
			}
		default:
			if c := childNamed(node, w); c != nil {
				node, position = c, 0
			} else {
				position++
			}
		}
	}
	return node, pending, position
}

func flagNamed(node *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	for _, f := range allFlags(node) {
		if f.Name == name || len(name) == 1 && f.Short == rune(name[0]) {
			return f
		}
	}
	return nil
}

// allFlags returns the flags of a command, its parents, and of the command
// that stands for it when none is named ("events" is "events list").
func allFlags(node *kong.Node) (out []*kong.Flag) {
	if node.DefaultCmd != nil {
		node = node.DefaultCmd
	}
	for _, group := range node.AllFlags(true) {
		out = append(out, group...)
	}
	return out
}

func flagsOf(node *kong.Node) []string {
	var out []string
	for _, f := range allFlags(node) {
		out = append(out, "--"+f.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// valuesOf suggests values: the fixed ones of an enumeration, or the names
// that the gateway knows.
func (a *app) valuesOf(v *kong.Value) []string {
	if v.Enum != "" {
		return strings.Split(v.Enum, ",")
	}
	switch v.Name {
	case "model", "id":
		return append(a.namesFrom("/v1/models", "data", "id"), a.namesFrom("/api/v1/endpoints", "endpoints", "model_id")...)
	case "strategy":
		return a.namesFrom("/api/v1/strategies", "strategies", "name")
	case "endpoint":
		return a.namesFrom("/api/v1/endpoints", "endpoints", "endpoint_id")
	case "provider":
		return a.namesFrom("/api/v1/endpoints", "endpoints", "provider")
	case "task":
		return taskNames()
	case "feature":
		return featureNames()
	case "max-risk":
		return []string{"low", "medium", "high", "critical"}
	case "call":
		return []string{"last"}
	}
	return nil
}

func taskNames() (out []string) {
	for t := model.TaskTextGeneration; t <= model.TaskAudioGeneration; t++ {
		out = append(out, t.String())
	}
	return out
}

func featureNames() (out []string) {
	for f := model.FeatureTools; f <= model.FeatureStreaming; f++ {
		out = append(out, f.String())
	}
	return out
}

// completionTime is how long a person waits for a suggestion.
const completionTime = 700 * time.Millisecond

// namesFrom asks a running gateway for names. One is never started for this.
func (a *app) namesFrom(path, list, member string) []string {
	g := &globals{Timeout: completionTime, Color: "never"}
	c := a.running(g)
	if c == nil {
		return nil
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(a.ctx, completionTime)
	defer cancel()
	raw, err := c.get(ctx, path, nil)
	if err != nil {
		return nil
	}
	var answer map[string]json.RawMessage
	var items []map[string]any
	if json.Unmarshal(raw, &answer) != nil || json.Unmarshal(answer[list], &items) != nil {
		return nil
	}
	var out []string
	for _, item := range items {
		if s, ok := item[member].(string); ok {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
