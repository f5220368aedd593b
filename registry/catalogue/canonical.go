package catalogue

import (
	"regexp"
	"strings"
)

// Canonical works out the canonical id of a listing from its name alone; the
// package comment states the rule. A Catalogue knows the common spelling and
// aliases on top: see Catalogue.Canonical.
func Canonical(provider, upstream string) string {
	name, _ := weightsName(provider, upstream)
	return name
}

var (
	bedrockName   = regexp.MustCompile(`^(?:(?:us|eu|apac|jp|au|global)\.)?(?:anthropic|meta|amazon|mistral|cohere|deepseek|ai21|openai|qwen)\.`)
	bedrockRev    = regexp.MustCompile(`-v\d+(?::\d+)?$`)
	fireworksDot  = regexp.MustCompile(`(\d)p(\d)`)
	claudeDate    = regexp.MustCompile(`-20\d{6}$`)
	claudeVersion = regexp.MustCompile(`^claude-([4-9](?:[-.]\d)?)-(opus|sonnet|haiku)`)
	veniceVendor  = regexp.MustCompile(`^(?:e2ee-)?(?:zai-org-|z-ai-|openai-|google-|xiaomi-|aion-labs-)?`)
	veniceGPT     = regexp.MustCompile(`^gpt-(5)(\d)\b`)
)

// Suffixes that tell how weights are served, not which they are.
var servingSuffixes = []string{"-free", "-tee", "-flex", "-fast", "-highspeed"}

// Suffixes that tell in which number format weights are served.
var formatSuffixes = []string{"-bf16", "-fp8", "-fp4", "-nvfp4", "-mxfp4", "-int4", "-int8", "-awq", "-gptq", "-int4-mixed-ar"}

// Vendors' names before a family's.
var vendorPrefixes = map[string]string{"meta-llama-": "llama-", "nvidia-nemotron-": "nemotron-", "nvidia-llama-": "llama-", "xiaomi-mimo-": "mimo-"}

// weightsName returns the canonical id and the number format in the name, if any.
func weightsName(provider, upstream string) (name, format string) {
	name = strings.ToLower(upstream)
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	switch provider {
	case "bedrock", "bedrock-europe":
		name = bedrockRev.ReplaceAllString(bedrockName.ReplaceAllString(name, ""), "")
	case "fireworks":
		name = fireworksDot.ReplaceAllString(name, "$1.$2")
	case "venice":
		name = veniceGPT.ReplaceAllString(veniceVendor.ReplaceAllString(name, ""), "gpt-$1.$2")
	case "huggingface":
		name, _, _ = strings.Cut(name, ":")
	}
	name = strings.TrimSuffix(name, ":free")
	if base, mode, ok := strings.Cut(name, ":"); ok && mode == "thinking" {
		name = base + "-thinking"
	}
	name, format = trimSuffixes(name)
	for prefix, family := range vendorPrefixes {
		if strings.HasPrefix(name, prefix) {
			name = family + name[len(prefix):]
		}
	}
	if strings.HasPrefix(name, "claude") {
		name = claudeDate.ReplaceAllString(name, "")
		name = claudeVersion.ReplaceAllString(name, "claude-$2-$1")
	}
	return name, format
}

func trimSuffixes(name string) (trimmed, format string) {
	for again := true; again; {
		again = false
		for _, s := range servingSuffixes {
			if s == "-fast" && strings.HasPrefix(name, "grok") {
				continue
			}
			if n, ok := strings.CutSuffix(name, s); ok && n != "" {
				name, again = n, true
			}
		}
		for _, s := range formatSuffixes {
			if n, ok := strings.CutSuffix(name, s); ok && n != "" {
				name, format, again = n, s[1:], true
			}
		}
	}
	return name, format
}

// Fold reduces a name to what tells models apart: lower case, no separators
// except between two digits, where any separator is the same. "GPT-4o mini"
// and "gpt-4o-mini" fold alike, "llama-3.1-8b" and "llama-31-8b" do not.
func Fold(name string) string {
	b := make([]byte, 0, len(name))
	gap := false
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '-' || c == '.' || c == '_' || c == ' ' || c == ':' || c == '/':
			gap = true
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if gap && len(b) > 0 && isDigit(b[len(b)-1]) && isDigit(c) {
			b = append(b, '.')
		}
		gap = false
		b = append(b, c)
	}
	return string(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
