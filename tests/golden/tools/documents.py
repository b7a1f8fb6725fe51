"""Tiny documents of every kind that is read, with what must be found in them (../documents).

Only the standard library is used: each file is written as its standard says, not by a program for it.

    python documents.py
"""

import hashlib
import struct
import zipfile
import zlib
from pathlib import Path

OUT = Path(__file__).parent.parent / "documents"

PAGES = [
    ["The lighthouse at Cordouan", "", "It was lit in 1611 and stands on a plateau in the Gironde.",
     "Augustin Fresnel tried his first great lens there in 1823."],
    ["Keeping the light", "", "Two keepers live in the tower and change every second week."],
]


def pdf_objects(pages, compressed):
    """Objects of a PDF, from number 1, each without `obj` and `endobj` (ISO 32000-1, 7.3)."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} /MediaBox [0 0 595 842] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for i, lines in enumerate(pages):
        drawn = "BT /F1 12 Tf 72 770 Td 14 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
        data = drawn.encode("cp1252")
        kind = ""
        if compressed:
            data, kind = zlib.compress(data, 9), " /Filter /FlateDecode"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /Contents {5 + 2 * i} 0 R"
            f" /Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(f"<< /Length {len(data)}{kind} >>\nstream\n".encode() + data + b"\nendstream")
    return objects


def pdf(objects, trailer=""):
    out, offsets = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R{trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def rc4(key, data):
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def encrypted_pdf(pages, password):
    """With the standard security handler, revision 2, 40 bits (7.6.3)."""
    identity, permissions = b"0123456789abcdef", -44
    padded = (password + PADDING)[:32]
    owner = rc4(hashlib.md5(padded).digest()[:5], padded)
    key = hashlib.md5(padded + owner + struct.pack("<i", permissions) + identity).digest()[:5]
    user = rc4(key, PADDING)
    objects = pdf_objects(pages, compressed=False)
    for number, content in enumerate(objects, 1):
        head, word, body = content.partition(b"stream\n")
        if word:
            own = hashlib.md5(key + struct.pack("<I", number)[:3] + b"\0\0").digest()[:10]
            objects[number - 1] = head + word + rc4(own, body[: -len(b"\nendstream")]) + b"\nendstream"
    handler = f"/Filter /Standard /V 1 /R 2 /O <{owner.hex()}> /U <{user.hex()}> /P {permissions}"
    objects.append(f"<< {handler} >>".encode())
    trailer = f" /Encrypt {len(objects)} 0 R /ID [<{identity.hex()}> <{identity.hex()}>]"
    return pdf(objects, trailer)


def looping_pdf():
    """A drawing that draws itself, and a page whose parent is itself."""
    drawing = pdf_objects([[]], False)
    drawing[3] = b"<< /Type /Page /Parent 2 0 R /Contents 5 0 R /Resources << /XObject << /X 6 0 R >> >> >>"
    drawing[4] = b"<< /Length 5 >>\nstream\n/X Do\nendstream"
    drawing.append(
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>"
        b" /Length 5 >>\nstream\n/X Do\nendstream"
    )
    parent = pdf_objects([[]], False)
    parent[3] = b"<< /Type /Page /Parent 4 0 R /Contents 5 0 R >>"
    return pdf(drawing), pdf(parent)


def office(path, parts):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx(path):
    def paragraph(text, style=None):
        kind = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f'<w:p>{kind}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'

    def row(*cells):
        return "<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in cells) + "</w:tr>"

    body = (
        paragraph("Fresnel lenses", "Title")
        + paragraph("A lens of rings weighs less &amp; loses less light than one of a single piece.")
        + paragraph("Orders", "Heading1")
        + "<w:tbl>" + row("Order", "Focal length") + row("First", "920 mm") + row("Sixth", "150 mm") + "</w:tbl>"
        + '<w:p><w:r><w:t>The first was </w:t></w:r><w:del><w:r><w:delText>not </w:delText></w:r></w:del>'
        + '<w:r><w:t>lit at Cordouan&#8212;in 1823.</w:t></w:r></w:p>'
    )
    office(path, {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": f'<?xml version="1.0"?><w:document {W}><w:body>{body}</w:body></w:document>',
        "word/footnotes.xml": f"<w:footnotes {W}>{paragraph('By his own account.')}</w:footnotes>",
    })


def xlsx(path):
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    shared = ["Lighthouse", "Height in m", "First lit", "Cordouan", "Kéréon"]
    strings = "".join(f"<si><t>{text}</t></si>" for text in shared)
    cells = [
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>',
        '<row r="2"><c r="A2" t="s"><v>3</v></c><c r="B2"><v>67.5</v></c><c r="C2" s="1"><v>40544</v></c></row>',
        '<row r="5"><c r="A5" t="s"><v>4</v></c><c r="B5"><f>40+8</f><v>48</v></c><c r="C5" t="b"><v>1</v></c></row>',
    ]
    office(path, {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="rId1" Type="{kinds}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{kinds}"><sheets>'
        '<sheet name="Towers" sheetId="1" r:id="rId1"/><sheet name="Notes" sheetId="2" r:id="rId2"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{relations}">'
        f'<Relationship Id="rId1" Type="{kinds}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{kinds}/worksheet" Target="worksheets/sheet2.xml"/>'
        f'<Relationship Id="rId3" Type="{kinds}/sharedStrings" Target="sharedStrings.xml"/>'
        f'<Relationship Id="rId4" Type="{kinds}/styles" Target="styles.xml"/></Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}">{strings}</sst>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><dimension ref="A1:XFD1048576"/>'
        f'<sheetData>{"".join(cells)}</sheetData></worksheet>',
        "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{main}"><sheetData><row r="1048576">'
        '<c r="XFD1048576" t="inlineStr"><is><t>The last cell of all</t></is></c></row></sheetData></worksheet>',
    })


PAGE = """<!doctype html><html><head><title>Not shown</title><style>p { color: red }</style></head><body>
<script>alert("never")</script><h1>Harbour  lights</h1><p>Green to <b>star</b>board,
red to port.</p><p hidden>secret</p><h2>Colours</h2><table><tr><th>Side</th><th>Light</th></tr>
<tr><td>Left</td><td>red</td></tr></table><ul><li>one<li>two</ul><pre>a
  b</pre><noscript>no</noscript>&copy; 2026</body></html>"""

MARKDOWN = """# Tide tables

Read them twice.

## Spring tides

```sh
# not a heading
```

They follow a full or a new moon.
"""


def main():
    OUT.mkdir(exist_ok=True)
    (OUT / "lighthouse.pdf").write_bytes(pdf(pdf_objects(PAGES, compressed=True)))
    (OUT / "scanned.pdf").write_bytes(pdf(pdf_objects([[], []], compressed=False)))
    (OUT / "locked.pdf").write_bytes(encrypted_pdf(PAGES, b"secret"))
    (OUT / "open.pdf").write_bytes(encrypted_pdf(PAGES, b""))
    drawing, parent = looping_pdf()
    (OUT / "drawing-loop.pdf").write_bytes(drawing)
    (OUT / "parent-loop.pdf").write_bytes(parent)
    docx(OUT / "lenses.docx")
    xlsx(OUT / "towers.xlsx")
    (OUT / "towers.csv").write_bytes(
        'Name;Height;Note\r\nCordouan;67,5;"lit in\r\n1611"\r\nKéréon;48;""\r\n'.encode("cp1252")
    )
    (OUT / "lights.html").write_text(PAGE)
    (OUT / "tides.md").write_text(MARKDOWN)
    (OUT / "utf16.txt").write_bytes("\ufeffLeuchtfeuer über dem Meer\r\nzweite Zeile\r\n".encode("utf-16-le"))


if __name__ == "__main__":
    main()
