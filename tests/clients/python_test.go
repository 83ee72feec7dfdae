//go:build clients && !localstack

package clients_test

import (
	_ "embed"
	"path/filepath"
	"strconv"
)

//go:embed testdata/imaplib.py
var imaplibScript string

//go:embed testdata/imapclient.py
var imapclientScript string

//go:embed testdata/imapflow.mjs
var imapflowScript string

// imaplibReadsAndWrites has Python's own library do it.
func imaplibReadsAndWrites(st *station) {
	st.run("python3", st.write("sync.py", imaplibScript), st.host, st.port, st.user, st.password, strconv.Itoa(st.count), st.cert)
}

func imapclientReadsAndWrites(st *station) {
	python := filepath.Join(st.dir, "venv", "bin", "python")
	st.install("python3", "-m", "venv", "venv")
	st.install(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "IMAPClient==4.1.0")
	st.run(python, st.write("sync.py", imapclientScript), st.host, st.port, st.user, st.password, strconv.Itoa(st.count), st.cert)
}

func imapflowReadsAndWrites(st *station) {
	st.install("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", st.dir, "imapflow@2.10.2")
	st.run("node", st.write("sync.mjs", imapflowScript), st.host, st.port, st.user, st.password, strconv.Itoa(st.count))
}
