package model

// TextKind is what a prompt's text looks like, as far as a glance tells: how
// many bytes a token has depends on it.
type TextKind uint8

// The kinds of text.
const (
	TextProse   TextKind = iota // words, mostly in ASCII; also what nothing is known of
	TextCode                    // code, markup and tables: much punctuation
	TextScript                  // Chinese, Cyrillic and other scripts beyond ASCII, as UTF-8
	TextEscaped                 // the same as JSON's \u escapes
	TextKinds                   // how many there are
)

var textKindNames = [TextKinds]string{"prose", "code", "script", "escaped"}

// String returns the name of the kind.
func (k TextKind) String() string {
	if k < TextKinds {
		return textKindNames[k]
	}
	return "unknown"
}

// MarshalText writes the name.
func (k TextKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name.
func (k *TextKind) UnmarshalText(b []byte) error {
	for i, name := range textKindNames {
		if name == string(b) {
			*k = TextKind(i)
			return nil
		}
	}
	return Errorf("model.TextKind", KindInvalid, "unknown kind of text %.20q: want prose, code, script or escaped", b)
}
