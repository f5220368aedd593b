package jsonscan

// Edit replaces, removes or adds one top-level member.
type Edit struct {
	Key   string // plain: without characters that JSON escapes
	Value []byte // raw JSON; nil removes the member
}

// Rewrite appends the object with the edits applied to dst. Values that no
// edit names are copied byte for byte; a key that the object lacks is added
// at the end. White space between members is not kept.
func (o Object) Rewrite(dst []byte, edits ...Edit) []byte {
	dst = append(dst, '{')
	open := len(dst)
	comma := func() {
		if len(dst) > open {
			dst = append(dst, ',')
		}
	}
	for _, m := range o.Members {
		e := find(edits, m.Key)
		if e != nil && e.Value == nil {
			continue
		}
		comma()
		dst = append(dst, o.Raw[m.KeyStart:m.Start]...)
		if e != nil {
			dst = append(dst, e.Value...)
		} else {
			dst = append(dst, o.Raw[m.Start:m.End]...)
		}
	}
	for _, e := range edits {
		if _, there := o.Get(e.Key); there || e.Value == nil {
			continue
		}
		comma()
		dst = append(dst, '"')
		dst = append(dst, e.Key...)
		dst = append(dst, '"', ':')
		dst = append(dst, e.Value...)
	}
	return append(dst, '}')
}

func find(edits []Edit, key string) *Edit {
	for i := range edits {
		if edits[i].Key == key {
			return &edits[i]
		}
	}
	return nil
}
