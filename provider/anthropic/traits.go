package anthropic

import "strings"

// traits is what the API allows for a model. It differs by generation.
type traits struct {
	budget     bool // thinking.budget_tokens
	adaptive   bool // adaptive thinking, with output_config.effort
	effortMax  bool // effort levels above high
	structured bool // output_config.format and strict tools
	sampling   bool // temperature, top_p, top_k
}

// traitsOf goes by the name of the model. Names put the version before or
// after the family (claude-3-7-sonnet, claude-opus-4-7), with dates and
// providers' additions around. A Claude without a version is taken for a new
// one; other models behind the same API are taken to know thinking budgets.
func traitsOf(name string) traits {
	_, rest, claude := strings.Cut(strings.ToLower(name), "claude")
	if !claude {
		return traits{budget: true, sampling: true}
	}
	v := version(rest)
	return traits{
		budget:     v >= 307 && v < 406,
		adaptive:   v >= 406,
		effortMax:  v >= 407,
		structured: v >= 405,
		sampling:   v < 407,
	}
}

// version returns major × 100 + minor; a very high one if there is none.
func version(s string) int {
	v, parts := 0, 0
	for _, word := range strings.FieldsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z')
	}) {
		n, ok := smallNumber(word)
		switch {
		case ok && parts == 0:
			v, parts = n*100, 1
		case ok && parts == 1:
			return v + n
		case parts == 1:
			return v // a version's numbers stand together
		}
	}
	if parts == 0 {
		return 99 * 100
	}
	return v
}

// smallNumber reads a number of one or two digits; longer ones are dates.
func smallNumber(s string) (int, bool) {
	if len(s) > 2 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
