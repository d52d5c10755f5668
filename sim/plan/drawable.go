package plan

// leftOpen reports whether a drawn line that does not have the field draws it.
func (f *Field) leftOpen() bool {
	return f.Draw != "" || f.Default == "" && !f.Optional && f.drawable()
}

// drawable reports whether there is something to draw the field from.
func (f *Field) drawable() bool {
	return f.Draw != "" || f.Kind == Node || f.Kind == Nodes || f.Kind == Choice || f.Kind == Flag || f.Domain != ""
}

// drawable returns the verbs of a use that a line can be drawn for which says
// nothing itself.
func (sc *Script) drawable(voc *Vocabulary, use Use) []*Verb {
	var out []*Verb
	for i := range voc.Verbs {
		if v := &voc.Verbs[i]; v.Use == use && !v.Undrawn && sc.canDraw(v) {
			out = append(out, v)
		}
	}
	return out
}

func (sc *Script) canDraw(v *Verb) bool {
	var before []*Field
	for _, f := range v.fields() {
		switch {
		case f.leftOpen():
			if sc.lacks(f, before) != "" {
				return false
			}
			before = append(before, f)
		case f.Default == "" && !f.Optional:
			return false
		}
	}
	return true
}

// fields are the arguments and the pairs.
func (v *Verb) fields() []*Field {
	var out []*Field
	for i := range v.Args {
		out = append(out, &v.Args[i])
	}
	for i := range v.Pairs {
		out = append(out, &v.Pairs[i])
	}
	return out
}

// lacks says what a field lacks to be drawn after others of the same line, or
// nothing.
func (sc *Script) lacks(f *Field, before []*Field) string {
	if f.Draw != "" {
		return ""
	}
	if f.Domain != "" && len(sc.names[f.Domain]) == 0 {
		return "no other line names a " + f.Domain
	}
	if f.Kind != Node && f.Kind != Nodes {
		return ""
	}
	want := 1
	if f.Many {
		want = f.groups()
	}
	// Each node field of a line gets another node.
	for _, b := range before {
		if f.Kind == Node && b.Kind == Node && (b.Of == f.Of || b.Of == "" || f.Of == "") {
			want++
		}
	}
	switch have := len(sc.nodes(f.Of)); {
	case have >= want:
		return ""
	case have > 0:
		return "there are too few nodes"
	case f.Of != "":
		return "there is no node of kind " + f.Of
	}
	return "there are no nodes"
}

// groups is how many groups of nodes are drawn for a field that has several.
func (f *Field) groups() int { return int(max(f.Least, 1)) }

// nodes are the names of the nodes of a kind, or of all.
func (sc *Script) nodes(of string) []string {
	var out []string
	for _, n := range sc.Nodes {
		if of == "" || n.Kind == of {
			out = append(out, n.Name)
		}
	}
	return out
}
