package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// table lays out rows in columns on a terminal and prints them separated by
// tabs elsewhere. What it says is the same in both, the header included.
type table struct {
	p       *printer
	columns []column
	rows    [][]cell
}

type column struct {
	name  string
	right bool // aligned right: numbers
	give  bool // shortened first when the terminal is narrow
}

type cell struct {
	text  string
	style string
}

// table starts a table. A column's name may begin with ">" for right aligned
// and "~" for shortened first.
func (p *printer) table(names ...string) *table {
	t := &table{p: p}
	for _, n := range names {
		c := column{}
		if n, c.right = strings.CutPrefix(n, ">"); !c.right {
			n, c.give = strings.CutPrefix(n, "~")
		}
		c.name = n
		t.columns = append(t.columns, c)
	}
	return t
}

// row adds a row of plain cells.
func (t *table) row(texts ...string) {
	cells := make([]cell, len(texts))
	for i, s := range texts {
		cells[i] = cell{text: s}
	}
	t.rows = append(t.rows, cells)
}

// styled adds a row of cells with styles.
func (t *table) styled(cells ...cell) { t.rows = append(t.rows, cells) }

// flush prints the table.
func (t *table) flush() {
	widths := t.widths()
	t.header(widths)
	for _, r := range t.rows {
		t.line(r, widths)
	}
}

func (t *table) header(widths []int) {
	names := make([]cell, len(t.columns))
	for i, c := range t.columns {
		names[i] = cell{strings.ToUpper(c.name), bold}
	}
	t.line(names, widths)
}

const gap = "  "

// widths fits the columns to the terminal: columns that give are shortened to
// what is left, the widest first, but not below twelve.
func (t *table) widths() []int {
	w := make([]int, len(t.columns))
	total := len(gap) * (len(w) - 1)
	for i, c := range t.columns {
		w[i] = utf8.RuneCountInString(c.name)
		for _, r := range t.rows {
			if i < len(r) {
				w[i] = max(w[i], utf8.RuneCountInString(r[i].text))
			}
		}
		total += w[i]
	}
	for t.p.width > 0 && total > t.p.width {
		widest := -1
		for i, c := range t.columns {
			if c.give && w[i] > 12 && (widest < 0 || w[i] > w[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		w[widest]--
		total--
	}
	return w
}

// line prints one row. The widths are those of a terminal.
func (t *table) line(cells []cell, widths []int) {
	if !t.p.tty {
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = plain(c.text)
		}
		t.p.printf("%s\n", strings.Join(texts, "\t"))
		return
	}
	var b strings.Builder
	for i, c := range cells {
		text := shorten(c.text, widths[i])
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		if i > 0 {
			b.WriteString(gap)
		}
		switch {
		case t.columns[i].right:
			b.WriteString(pad + t.p.style(c.style, text))
		case i == len(cells)-1:
			b.WriteString(t.p.style(c.style, text))
		default:
			b.WriteString(t.p.style(c.style, text) + pad)
		}
	}
	t.p.printf("%s\n", b.String())
}

// plain shows control characters instead of obeying them, rune for rune: what
// is stored was chosen by somebody else than who reads it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r):
			return utf8.RuneError
		}
		return r
	}, s)
}

// shorten cuts s to n runes, the last one an ellipsis.
func shorten(s string, n int) string {
	s = plain(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:max(n-1, 0)]) + "…"
}
