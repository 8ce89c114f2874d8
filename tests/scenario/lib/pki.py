"""A certificate authority made by openssl, for one test run."""

import os
import subprocess


def openssl(*args, cwd=None, text=None):
    done = subprocess.run(["openssl", *args], cwd=cwd, input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, f"openssl {' '.join(args)}: {done.stderr}"
    return done.stdout


class Authority:
    def __init__(self, directory, name="test authority"):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        self.cert = os.path.join(directory, "ca.pem")
        self.key = os.path.join(directory, "ca.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", self.key, "-out", self.cert, "-days", "2",
                "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, alternatives="DNS:localhost,IP:127.0.0.1", usage="serverAuth",
              days=2):
        """Gives (certificate path, key path)."""
        base = os.path.join(self.directory, name)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", base + ".key", "-out", base + ".csr", "-subj", f"/CN={name}")
        with open(base + ".ext", "w") as f:
            f.write(f"extendedKeyUsage={usage}\n")
            if alternatives:
                f.write(f"subjectAltName={alternatives}\n")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.cert, "-CAkey", self.key,
                "-CAcreateserial", "-days", str(days), "-out", base + ".pem",
                "-extfile", base + ".ext")
        return base + ".pem", base + ".key"
