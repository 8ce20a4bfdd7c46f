// SPDX-License-Identifier: Apache-2.0

// Command reach fails when a function of the C interface is not called by a test run:
//
//	go test -coverpkg=./internal/raw -coverprofile=cover.out . && go run ./internal/reach cover.out ../../capi/functions.json
//
// The profile says which lines of raw.go were run; each function of the manifest has one of its own there.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fail("usage: reach cover.out functions.json (in bindings/go)")
	}
	ran := linesRun(os.Args[1])
	names := manifestNames(os.Args[2])
	calls := functionsOf("internal/raw/raw.go", names)
	var missing int
	for _, name := range names {
		line, generated := calls[name]
		if !generated || !ran[line] {
			fmt.Printf("%s: generated: %t, called: %t\n", name, generated, ran[line])
			missing++
		}
	}
	fmt.Printf("%d of %d functions are called\n", len(names)-missing, len(names))
	if missing != 0 {
		os.Exit(1)
	}
}

func fail(what ...any) {
	fmt.Fprintln(os.Stderr, what...)
	os.Exit(2)
}

// linesRun reads `minimoe/internal/raw/raw.go:12.34,56.2 3 1`: the blocks, statements and counts of a profile.
func linesRun(path string) map[int]bool {
	file, err := os.Open(path)
	if err != nil {
		fail(err)
	}
	defer file.Close()
	ran := map[int]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		place, found := strings.CutPrefix(lines.Text(), "minimoe/internal/raw/raw.go:")
		if !found {
			continue
		}
		var first, column, last, end, statements, count int
		if _, err := fmt.Sscanf(place, "%d.%d,%d.%d %d %d", &first, &column, &last, &end, &statements, &count); err != nil {
			fail(place, err)
		}
		for line := first; count > 0 && line <= last; line++ {
			ran[line] = true
		}
	}
	return ran
}

// functionsOf gives, by the name in C, the line of the call into C.
func functionsOf(path string, manifest []string) map[string]int {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		fail(err)
	}
	names := map[string]string{}
	for _, name := range manifest {
		names[camel(strings.TrimPrefix(name, "minimoe_"))] = name
	}
	calls := map[string]int{}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || names[function.Name.Name] == "" {
			continue
		}
		ast.Inspect(function, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if ok && strings.HasPrefix(selector.Sel.Name, "_wrap_"+function.Name.Name+"_") {
				calls[names[function.Name.Name]] = files.Position(selector.Pos()).Line
			}
			return true
		})
	}
	return calls
}

func manifestNames(path string) []string {
	var manifest []struct{ Name string }
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil || len(manifest) == 0 {
		fail(path, err)
	}
	names := make([]string, len(manifest))
	for i := range manifest {
		names[i] = manifest[i].Name
	}
	return names
}

func camel(name string) string {
	var out strings.Builder
	for _, part := range strings.Split(name, "_") {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}
