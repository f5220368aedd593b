package prompt

import "github.com/cartrita/cartrita/model"

// How much text is looked at to tell its kind: the beginning of each text and,
// of a long one, as much from its middle, until the sample is used up. A glance
// costs the same for a prompt of any length.
const (
	glance    = 256  // bytes of one place
	maxSample = 1024 // bytes in all
	minSample = 32   // bytes below which marks tell nothing
)

// sample counts what tells kinds of text apart.
type sample struct {
	seen  int // bytes looked at
	marks int // punctuation of code and markup, and ends of lines
	high  int // bytes beyond ASCII
	wide  int // bytes in \u escapes
}

// classes says of each byte if it is a mark (1) or beyond ASCII (2).
var classes = func() (c [256]uint8) {
	for _, b := range []byte("{}[]()<>;=_/*+&|#$%@^~`:\"") {
		c[b] = 1
	}
	for b := 0x80; b < 256; b++ {
		c[b] = 2
	}
	return c
}()

// look takes a glance at a string without its quotes, as received.
func (s *sample) look(text []byte) {
	s.glance(text[:min(len(text), glance)])
	if len(text) > 4*glance {
		s.glance(text[len(text)/2:][:glance])
	}
}

func (s *sample) glance(text []byte) {
	text = text[:min(len(text), maxSample-s.seen)]
	s.seen += len(text)
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '\\' && i+1 < len(text):
			i++
			if text[i] == 'u' {
				s.wide += 6
				i += 4
			} else {
				s.marks++
			}
		case classes[b] == 1:
			s.marks++
		case classes[b] == 2:
			s.high++
		}
	}
}

// kind says what the text looks like. The thresholds lie between what prose,
// source code and texts of other scripts have: marks make up 1 to 4 % of prose
// and 10 to 20 % of code, bytes beyond ASCII 2 to 6 % of German or French and
// over 50 % of Russian or Chinese.
func (s *sample) kind() model.TextKind {
	switch {
	case s.wide*4 > s.seen:
		return model.TextEscaped
	case s.high*4 > s.seen:
		return model.TextScript
	case s.seen >= minSample && s.marks*100 > s.seen*7:
		return model.TextCode
	}
	return model.TextProse
}
